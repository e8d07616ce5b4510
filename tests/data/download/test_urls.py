"""Only what came over a protected connection, from whom it was asked of, is taken."""

from __future__ import annotations

import hashlib

import pytest
import trustme

from cxrbench.errors import PluginError
from cxrbench.plugin import Download

CONTENT = bytes(range(256)) * 100
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@pytest.fixture(autouse=True)
def content(server, other_server):
    server.content = other_server.content = CONTENT


def download_of(url, digest=DIGEST, file_name="image.bin"):
    return Download(url=url, file_name=file_name, digest=digest)


def test_a_server_with_a_trusted_certificate_is_accepted(server, downloader, trusted):
    server.protect(trusted.issue_cert("127.0.0.1"))
    assert server.url.startswith("https:")
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["127.0.0.1", "images.invalid"])
def test_an_untrusted_certificate_is_refused(server, downloader, trusted, name, reason_for):
    of_another_authority = name == "127.0.0.1"
    server.protect((trustme.CA() if of_another_authority else trusted).issue_cert(name))
    reason = reason_for(downloader, download_of(server.url))
    assert "the server's certificate is not trusted" in reason
    assert ("unable to get local issuer certificate" if of_another_authority else "127.0.0.1") in reason
    assert f"download {server.url} yourself and save it as {downloader.folder / 'image.bin'}" in reason
    assert server.requests == []
    assert not (downloader.folder / "image.bin.part").exists()


def test_a_redirect_from_https_to_http_is_refused(server, other_server, downloader, trusted, reason_for):
    server.protect(trusted.issue_cert("127.0.0.1"))
    server.passed_on_to = other_server.url
    reason = reason_for(downloader, download_of(server.url))
    assert f"redirected to {other_server.url}, which does not use https" in reason
    assert other_server.connections == 0


@pytest.mark.parametrize("where", ["http://images.invalid/image.bin", "ftp://127.0.0.1/image.bin", "file:///etc/hostname"])
def test_a_redirect_to_an_unprotected_url_is_refused(server, downloader, where, reason_for):
    server.passed_on_to = where
    assert "image.bin" in reason_for(downloader, download_of(server.url))


def test_a_redirect_to_https_is_followed(server, other_server, downloader, trusted):
    other_server.protect(trusted.issue_cert("127.0.0.1"))
    server.passed_on_to = other_server.url
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://images.invalid/f", "ftp://images.invalid/f", "http://127.0.0.1.images.invalid/f", "f"])
def test_an_unprotected_url_is_refused(downloader, url):
    with pytest.raises(PluginError, match="must use https"):
        downloader.fetch(download_of(url))


@pytest.mark.parametrize("digest", ["crc32:00000000", "md5:", "sha256:xyz", "md5", f"sha1:{'0' * 40}", f"md5:{'0' * 31}"])
def test_an_invalid_checksum_is_refused(server, downloader, digest):
    with pytest.raises(PluginError, match="is not a valid checksum"):
        downloader.fetch(download_of(server.url, digest))
    assert server.connections == 0


@pytest.mark.parametrize("name", ["../image.bin", "/tmp/image.bin", "a/b", "..", "", "a\\b", "C:image.bin"])
def test_a_name_that_leads_elsewhere_is_refused(server, downloader, name):
    with pytest.raises(PluginError, match="is not a valid file name"):
        downloader.fetch(download_of(server.url, file_name=name))
    assert server.connections == 0


def test_a_file_too_large_for_the_disk_is_not_begun(server, downloader, reason_for):
    server.announced = 10**18
    reason = reason_for(downloader, download_of(server.url))
    assert "1,000,000,000,000,000,000 bytes, more than the limit of" in reason


def test_a_file_that_a_user_brings_is_never_fetched(downloader, tmp_path, reason_for):
    absent = Download(url=(tmp_path / "model.keras").as_uri(), file_name="model.keras", folder=tmp_path)
    assert "does not exist: provide this file yourself" in reason_for(downloader, absent)
