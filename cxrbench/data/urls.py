"""Check where files may be downloaded from."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from cxrbench.errors import PluginError

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from cxrbench.plugin.contracts import Download

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
CHECKSUM = re.compile(r"|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")
"""MD5 detects damage only. TLS, and SHA-256 where publishers give it, also protect from an impersonated server."""


def check_download(download: Download) -> None:
    """Raise PluginError for a download that is not over HTTPS, has an invalid checksum or has a path as its file name."""
    host, name = urlsplit(download.url).hostname or "", download.file_name
    if scheme_of(download.url) not in {"https", "file"} and not is_allowed(download.url):
        raise PluginError(f"{download.url}: downloads must use https (http only from this machine), not {host or '-'}")
    if not CHECKSUM.fullmatch(download.digest):
        raise PluginError(
            f"{download.url}: {download.digest!r} is not a valid checksum: write md5: or sha256: and hexadecimal digits"
        )
    if name in {"", ".", ".."} or name != Path(name).name or "\\" in name or ":" in name:
        raise PluginError(f"{download.url}: {name!r} is not a valid file name")


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case."""
    return urlsplit(url).scheme.lower()


def is_allowed(url: str) -> bool:
    """Return whether a URL uses TLS or a server on this machine."""
    return scheme_of(url) == "https" or (scheme_of(url) == "http" and urlsplit(url).hostname in THIS_MACHINE)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from HTTPS to an unprotected connection."""

    def redirect_request(  # noqa: PLR0917  # the library's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request; raise URLError if its connection would be unprotected."""
        if not is_allowed(newurl) or (scheme_of(req.full_url) == "https" and scheme_of(newurl) != "https"):
            fp.close()
            raise urllib.error.URLError(f"redirected to {newurl}, which does not use https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
