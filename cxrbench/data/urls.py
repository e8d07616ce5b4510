"""Where files may be fetched from, and what a plugin must say of them."""

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
DIGEST = re.compile(r"|md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")
"""MD5 tells damage; against whoever answers in the publisher's place there is TLS, and SHA-256 where publishers give it."""


def check_download(download: Download) -> None:
    """Raise PluginError for what no plugin may ask for: another scheme than HTTPS, another checksum, a name that is a path."""
    host, name = urlsplit(download.url).hostname or "", download.file_name
    if scheme_of(download.url) not in {"https", "file"} and not is_allowed(download.url):
        raise PluginError(
            f"{download.url}: files are fetched over https alone (http from this machine), not from {host or '-'}"
        )
    if not DIGEST.fullmatch(download.digest):
        raise PluginError(f"{download.url}: {download.digest!r} is no checksum: write md5: or sha256: and hexadecimal digits")
    if name in {"", ".", ".."} or name != Path(name).name or "\\" in name or ":" in name:
        raise PluginError(f"{download.url}: {name!r} is no file name")


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in small letters."""
    return urlsplit(url).scheme.lower()


def is_allowed(url: str) -> bool:
    """Return whether a file may come from there: over TLS, or from a server on this machine."""
    return scheme_of(url) == "https" or (scheme_of(url) == "http" and urlsplit(url).hostname in THIS_MACHINE)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, but never from a protected connection to an open one."""

    def redirect_request(  # noqa: PLR0917  # the library's own signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request; raise URLError if it would go over an open connection."""
        if not is_allowed(newurl) or (scheme_of(req.full_url) == "https" and scheme_of(newurl) != "https"):
            fp.close()
            raise urllib.error.URLError(f"it is passed on to {newurl}, which is not protected (https)")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
