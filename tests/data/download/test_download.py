from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cxrbench.data.download import Downloader
from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import Unavailable
from cxrbench.plugin import Download
from cxrbench.plugin.host import load_host

CONTENT = np.random.default_rng(0).bytes(300_000)
PLUGIN = """
from cxrbench.plugin import Dataset, Download, hookimpl

FILE = Download(url={url!r}, file_name="pneumoniamnist.npz", digest={digest!r})


@hookimpl
def register_datasets():
    return [Dataset(name="mirror", factory=f"{{__name__}}:load", download=f"{{__name__}}:download")]


def download(*, size: int = 28):
    return FILE


def load(source, *, size: int = 28):
    from cxrbench_datasets.medmnist import load_medmnist

    return load_medmnist(source, size=size)
"""


@pytest.fixture(autouse=True)
def content(server):
    server.content = CONTENT


def download_of(url, content=CONTENT, algorithm="md5"):
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}" if algorithm else ""
    return Download(url=url, file_name="image.bin", digest=digest)


def partial_of(downloader, content):
    """Leave the beginning of a file, as an earlier run does that broke off."""
    downloader.folder.mkdir(parents=True)
    (downloader.folder / "image.bin.part").write_bytes(content)


@pytest.mark.parametrize("algorithm", ["md5", "sha256", ""])
def test_a_file_is_fetched_whole(server, downloader, said, algorithm):
    download = download_of(server.url, algorithm=algorithm)
    path = downloader.fetch(download)
    assert path == downloader.path_of(download) == downloader.folder / "image.bin"
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert said[0] == f"downloading {server.url}"
    without = f"image.bin: the publisher gives no checksum; downloaded file has sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert said[1:] == ([] if algorithm else [without])
    assert not path.with_name("image.bin.part").exists()


def test_a_file_that_is_there_is_not_fetched(server, downloader, said):
    downloader.fetch(download_of(server.url))
    before = server.connections
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT
    assert server.connections == before
    assert len(said) == 1


def test_a_download_may_name_its_folder(server, downloader, tmp_path):
    download = Download(url=server.url, file_name="image.bin", folder=tmp_path / "models" / "deep")
    assert downloader.fetch(download) == tmp_path / "models" / "deep" / "image.bin"


@pytest.mark.parametrize("size", [123_456, len(CONTENT)])
def test_a_partial_file_is_resumed_where_it_stopped(server, downloader, size):
    partial_of(downloader, CONTENT[:size])
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT
    assert server.ranges == [f"bytes={size}-"]


def test_without_a_checksum_two_halves_are_not_put_together(server, downloader):
    partial_of(downloader, b"another beginning")
    assert downloader.fetch(download_of(server.url, algorithm="")).read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_server_without_ranges_is_read_from_the_start(server, downloader):
    server.knows_ranges = False
    partial_of(downloader, b"another beginning")
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT


def test_a_broken_connection_keeps_what_came_and_says_to_go_on(server, downloader, reason_for):
    server.break_after = 200_000
    reason = reason_for(downloader, download_of(server.url))
    partial = downloader.folder / "image.bin.part"
    assert partial.read_bytes() == CONTENT[:200_000]
    assert "broke after 200000 of 300000 bytes" in reason
    assert "run the same command again" in reason
    assert str(downloader.folder / "image.bin") in reason
    server.break_after = None
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=200000-"]
    assert not partial.exists()


def test_a_broken_connection_of_unknown_length_can_be_resumed(server, downloader, reason_for):
    server.chunked, server.break_after = True, 200_000
    assert "run the same command again" in reason_for(downloader, download_of(server.url))
    server.break_after = None
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT


def test_a_server_that_does_not_speak_http_is_an_error(server, downloader, reason_for):
    server.speaks_http = False
    assert server.url in reason_for(downloader, download_of(server.url))


@pytest.mark.parametrize(("status", "words"), [(404, "Not Found"), (503, "Service Unavailable")])
def test_an_http_error_is_reported_with_the_remedy(server, downloader, status, words, reason_for):
    server.status = status
    reason = reason_for(downloader, download_of(server.url))
    assert words in reason
    assert f"download {server.url} yourself and save it as {downloader.folder / 'image.bin'}" in reason


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_with_a_wrong_digest_is_deleted(server, downloader, algorithm, reason_for):
    server.content = CONTENT[:-1] + b"\0"
    reason = reason_for(downloader, download_of(server.url, algorithm=algorithm))
    assert f"got {algorithm}:{hashlib.new(algorithm, server.content).hexdigest()}" in reason
    assert f"expected {algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}" in reason
    assert "the file was deleted" in reason
    assert not (downloader.folder / "image.bin.part").exists()


def test_a_resumed_file_with_a_wrong_start_is_downloaded_again(server, downloader, reason_for):
    partial_of(downloader, bytes(1000))
    assert "the file was deleted" in reason_for(downloader, download_of(server.url))
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_file_is_not_in_place_before_it_is_whole(server, downloader):
    server.hold = threading.Event()
    download = download_of(server.url)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(downloader.fetch, download)
        assert server.held.wait(10)
        time.sleep(0.1)
        assert not downloader.path_of(download).exists()
        assert not call.done()
        server.hold.set()
        assert call.result(10).read_bytes() == CONTENT


def test_two_threads_that_want_one_file_fetch_it_once(server, downloader, said):
    server.hold = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(downloader.fetch, download_of(server.url)) for _ in range(2)]
        assert server.held.wait(10)
        time.sleep(0.2)
        server.hold.set()
        assert [call.result(10).read_bytes() for call in calls] == [CONTENT, CONTENT]
    assert server.ranges == [None]
    assert len(said) == 1


def test_offline_opens_no_connection_and_says_what_to_put_where(server, tmp_path, said, reason_for):
    downloader = Downloader(folder=tmp_path, offline=True, say=said.append)
    reason = reason_for(downloader, download_of(server.url))
    assert "--offline" in reason
    assert server.url in reason
    assert str(tmp_path / "image.bin") in reason
    assert server.connections == 0
    assert said == []


def test_offline_still_finds_what_is_there(tmp_path, said):
    (tmp_path / "image.bin").write_bytes(CONTENT)
    downloader = Downloader(folder=tmp_path, offline=True, say=said.append)
    assert downloader.fetch(download_of("http://localhost/image.bin")) == tmp_path / "image.bin"


def test_a_host_that_refuses_fails_at_once(closed_port, downloader, reason_for):
    start = time.monotonic()
    url = f"http://127.0.0.1:{closed_port}/image.bin"
    reason = reason_for(downloader, download_of(url))
    assert time.monotonic() - start < 2
    assert "127.0.0.1 cannot be reached" in reason
    assert url in reason
    assert str(downloader.folder / "image.bin") in reason


def test_a_host_that_never_answers_is_given_up_after_3_seconds(downloader, reason_for):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # fills the queue, after which a connection is neither accepted nor refused
            one.setblocking(False)
            one.connect_ex(silent.getsockname())
        start = time.monotonic()
        reason = reason_for(downloader, download_of(f"http://127.0.0.1:{silent.getsockname()[1]}/image.bin"))
        seconds = time.monotonic() - start
        for one in waiting:
            one.close()
    assert "cannot be reached" in reason
    assert 2 < seconds < 5


@pytest.fixture
def behind_proxy(server, other_server, trusted):
    """Return the server of images.invalid, which `server` alone knows the way to."""
    other_server.protect(trusted.issue_cert("images.invalid"))
    other_server.content = CONTENT
    server.tunnel_to = other_server.server_address
    return other_server


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_is_asked_instead_of_the_host(server, behind_proxy, downloader, monkeypatch, scheme):
    monkeypatch.setenv("https_proxy", f"{scheme}{server.address}")
    assert downloader.fetch(download_of("https://images.invalid/image.bin")).read_bytes() == CONTENT
    assert server.requests == [("images.invalid:443", None)]
    assert behind_proxy.requests == [("/image.bin", None)]


def test_a_host_that_needs_no_proxy_is_asked_itself(server, downloader, monkeypatch, closed_port):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert downloader.fetch(download_of(server.url)).read_bytes() == CONTENT


@pytest.fixture
def mirror(server, tmp_path):
    """Serve a small PneumoniaMNIST and return the host that knows a dataset which is fetched from there."""
    generator = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 6), ("val", 4), ("test", 2)):
        arrays[f"{part}_images"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count, dtype=np.uint8) % 2)[:, None]
    file = tmp_path / "served.npz"
    np.savez_compressed(file, **arrays)
    server.content = file.read_bytes()
    plugin = tmp_path / "mirror.py"
    plugin.write_text(PLUGIN.format(url=server.url, digest=f"md5:{hashlib.md5(server.content).hexdigest()}"))
    return load_host([plugin])


def test_a_downloaded_dataset_is_fetched_once_and_read(server, mirror, downloader, said):
    images = read_images(find_dataset("mirror:size=28", mirror), downloader.fetch)
    assert images.name == "pneumoniamnist-28"
    assert [record.split for record in images.records] == ["train"] * 6 + ["val"] * 4 + ["test"] * 2
    assert images.read("val/00003").shape == (28, 28)
    assert (downloader.folder / "pneumoniamnist.npz").read_bytes() == server.content
    offline = Downloader(folder=downloader.folder, offline=True, say=said.append)
    assert read_images(find_dataset("mirror", mirror), offline.fetch).records == images.records
    assert len(server.requests) == 1


def test_a_dataset_that_cannot_be_fetched_says_what_to_put_where(server, mirror, tmp_path, said):
    offline = Downloader(folder=tmp_path / "downloads", offline=True, say=said.append)
    with pytest.raises(Unavailable, match=re.escape(str(tmp_path / "downloads" / "pneumoniamnist.npz"))):
        read_images(find_dataset("mirror", mirror), offline.fetch)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_file_that_is_there_must_be_the_publishers(server, downloader, algorithm):
    download = download_of(server.url, algorithm=algorithm)
    downloader.folder.mkdir(parents=True)
    path = downloader.folder / "image.bin"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(Unavailable, match=rf"is not the publisher.s file: got {algorithm}:\w+, expected .*Remove it"):
        downloader.fetch(download)
    path.write_bytes(CONTENT)
    assert downloader.fetch(download) == path
    path.write_bytes(CONTENT[:-1])
    assert downloader.fetch(download_of(server.url, algorithm="")) == path
