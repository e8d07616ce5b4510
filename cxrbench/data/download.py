"""Download files: resume after a break, verify the checksum, move into place only when complete."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cxrbench.data.urls import Redirects, check_download, scheme_of
from cxrbench.errors import Unavailable
from cxrbench.storage.files import digest_file, home, reporting_full_disk
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from cxrbench.plugin.contracts import Download

PROBE_SECONDS = 3.0
STALLED_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
LARGEST_DOWNLOAD_BYTES = 200 * 2**30
"""The largest public collection of chest X-rays is smaller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloader:
    """Downloads files.

    Attributes:
        offline: open no connection at all.
        forbidden_by: the option that says so, for messages.
        say: called with a one-line message for each download.
        folder: for files whose `Download` has no folder of its own.
        answers: whether each probed host and port answered; each is probed once.
    """

    offline: bool
    say: Callable[[str], None]
    folder: Path = field(default_factory=lambda: home() / "downloads")
    forbidden_by: str = "--offline"
    answers: dict[tuple[str, int], bool] = field(default_factory=dict)

    def path_of(self, download: Download) -> Path:
        """Return the path of the downloaded file."""
        return (download.folder or self.folder) / download.file_name

    def fetch(self, download: Download) -> Path:
        """Return the file's path; download the file if it does not exist.

        Raises:
            Unavailable: offline, host unreachable, connection broken, or wrong checksum, also of a file that is there already;
                the message says what to do.
            PluginError: the declaration is unsafe, see `check_download`.
        """
        check_download(download)
        path = self.path_of(download)
        if path.is_file():
            _require_digest(path, download)
            return path
        if scheme_of(download.url) == "file":
            raise Unavailable(f"{_short_path(path)} does not exist: provide this file yourself")
        remedy = f"download {download.url} yourself and save it as {_short_path(path)}"
        if self.offline:
            raise Unavailable(
                f"{download.file_name} is not on this machine and {self.forbidden_by} forbids downloads: {remedy}"
            )
        address = _host(download.url)
        if address not in self.answers:
            self.answers[address] = is_reachable(download.url)
        if not self.answers[address]:
            raise Unavailable(f"{download.file_name} is not on this machine and {address[0]} cannot be reached: {remedy}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with wait_for_lock(path.with_name(f"{path.name}.lock")):
                if not path.is_file():
                    self.say(f"downloading {download.url}")
                    _fetch(download, path, remedy)
                    if not download.digest:
                        digest = f"sha256:{digest_file(path)}"
                        self.say(f"{download.file_name}: the publisher gives no checksum; downloaded file has {digest}")
        except OSError as error:
            raise Unavailable(f"{download.file_name} cannot be written: {error.strerror}; {remedy}") from None
        return path


def _require_digest(path: Path, download: Download) -> None:
    """Raise Unavailable if a file that was there already is not the publisher's."""
    digest = _digest_like(path, download.digest)
    if digest != download.digest:
        raise Unavailable(
            f"{_short_path(path)} is not the publisher's file: got {digest}, expected {download.digest}. Remove it, and run "
            f"again to fetch {download.url}"
        )


def _short_path(path: Path) -> str:
    """Return a path as text without the name of the home folder."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def is_reachable(url: str) -> bool:
    """Return whether the host of `url`, or the proxy for it, accepts a connection within `PROBE_SECONDS`."""
    address = _host(_proxy_for(url) or url)
    accepted: list[bool] = []

    def connect() -> None:
        with suppress(OSError), socket.create_connection(address, timeout=PROBE_SECONDS):
            accepted.append(True)

    attempt = threading.Thread(target=connect, daemon=True)  # the name lookup has no timeout of its own
    attempt.start()
    attempt.join(PROBE_SECONDS)
    return bool(accepted)


def _proxy_for(url: str) -> str:
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc):
        return ""
    proxy = urllib.request.getproxies().get(parts.scheme, "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _fetch(download: Download, path: Path, remedy: str) -> None:
    partial = path.with_name(f"{path.name}.part")
    if not download.digest:  # without a checksum, nothing shows whether the parts match
        partial.unlink(missing_ok=True)
    try:
        with reporting_full_disk(partial.parent):
            _download_rest(download.url, partial)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Unavailable(
                f"{download.url}: nothing was downloaded because the server's certificate is not trusted "
                f"({reason.verify_message}); {remedy}"
            ) from None
        raise Unavailable(f"{download.url}: {reason}; run the same command again to resume, or {remedy}") from None
    digest = _digest_like(partial, download.digest)
    if digest != download.digest:
        partial.unlink()
        raise Unavailable(f"{download.url}: got {digest}, expected {download.digest}; the file was deleted; {remedy}")
    partial.replace(path)


def _download_rest(url: str, partial: Path) -> None:
    """Append the missing bytes to `partial`; start over if the server does not support ranges."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # check_download() checked the scheme
    opener = urllib.request.build_opener(Redirects)  # checks certificates against the system's authorities
    try:
        response = opener.open(request, timeout=STALLED_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # the file is complete, or its checksum is wrong
            return
        raise
    with response, partial.open("ab" if response.status == 206 else "wb") as file:
        expected = _announced_bytes(response.headers, partial)
        received = 0
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if received > LARGEST_DOWNLOAD_BYTES:
                raise OSError(f"received more than {LARGEST_DOWNLOAD_BYTES:,} bytes")
    if expected >= 0 and received < expected:
        raise OSError(f"the connection broke after {received} of {expected} bytes")


def _announced_bytes(headers: Message, partial: Path) -> int:
    """Return how many bytes the server announces, -1 if unknown; raise OSError if they do not fit on the disk."""
    text = headers.get("Content-Length") or ""
    expected = int(text) if text.isdecimal() else -1
    free = shutil.disk_usage(partial.parent).free
    if expected > (limit := min(free, LARGEST_DOWNLOAD_BYTES)):
        raise OSError(f"the file has {expected:,} bytes, more than the limit of {limit:,} ({free:,} are free)")
    return expected


def _digest_like(path: Path, like: str) -> str:
    """Return the digest of a file by the algorithm of another digest, or an empty string."""
    if not like:
        return ""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()}"
