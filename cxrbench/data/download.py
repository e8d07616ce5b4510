"""Fetch a file: resumed where it stopped, checked against its digest, moved into place only when whole."""

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
from cxrbench.storage.files import digest_file, reporting_full_disk
from cxrbench.storage.locks import wait_for_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from cxrbench.plugin.contracts import Download

PROBE_SECONDS = 3.0
STALLED_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
LARGEST_DOWNLOAD = 200 * 2**30
"""Bytes: the largest public collection of chest X-rays has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloader:
    """What may be fetched, and who is told of it.

    Attributes:
        folder: where files go whose `Download` names no folder.
        offline: whether nothing may be fetched, not even a probe sent.
        say: told in one line what is being fetched.
        answers: hosts and ports that were probed, and whether they answered; each is probed once.
    """

    folder: Path
    offline: bool
    say: Callable[[str], None]
    answers: dict[tuple[str, int], bool] = field(default_factory=dict)

    def path_of(self, download: Download) -> Path:
        """Return where the file is, or will be."""
        return (download.folder or self.folder) / download.file_name

    def fetch(self, download: Download) -> Path:
        """Return the file's path, after fetching it if it is not there.

        Raises:
            Unavailable: offline, unreachable, broken off, or not what its digest says; with what to do.
            PluginError: it is declared so that it could not be fetched safely.
        """
        check_download(download)
        path = self.path_of(download)
        if path.is_file():
            return path
        if scheme_of(download.url) == "file":
            raise Unavailable(f"{_for_a_person(path)} is not there: it is a file that you bring")
        remedy = f"fetch {download.url} yourself and put it at {_for_a_person(path)}"
        if self.offline:
            raise Unavailable(f"{download.file_name} is not on this machine and downloads are off (--offline): {remedy}")
        address = _host(download.url)
        if address not in self.answers:
            self.answers[address] = is_reachable(download.url)
        if not self.answers[address]:
            raise Unavailable(f"{download.file_name} is not on this machine and {address[0]} cannot be reached: {remedy}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with wait_for_lock(path.with_name(f"{path.name}.lock")):
                if not path.is_file():
                    self.say(f"fetching {download.url}")
                    _fetch(download, path, remedy)
                    if not download.digest:
                        self.say(
                            f"{download.file_name}: its publisher gives no checksum; what came has sha256:{digest_file(path)}"
                        )
        except OSError as error:
            raise Unavailable(f"{download.file_name} cannot be written: {error.strerror}; {remedy}") from None
        return path


def _for_a_person(path: Path) -> str:
    """Return a path that does not tell whose machine this is."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def is_reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Return whether the host of `url` accepts a connection within `seconds`; a proxy, if one is set, is asked instead."""
    address = _host(_proxy_for(url) or url)
    accepted: list[bool] = []

    def connect() -> None:
        with suppress(OSError), socket.create_connection(address, timeout=seconds):
            accepted.append(True)

    attempt = threading.Thread(target=connect, daemon=True)  # looking the name up knows no time limit of its own
    attempt.start()
    attempt.join(seconds)
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
    if not download.digest:  # nothing would tell whether two halves belong together
        partial.unlink(missing_ok=True)
    try:
        with reporting_full_disk(partial.parent):
            _receive(download.url, partial)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise Unavailable(
                f"{download.url}: the server's certificate is not to be trusted ({reason.verify_message}), so nothing was "
                f"fetched; {remedy}"
            ) from None
        raise Unavailable(f"{download.url}: {reason}; run the same command again to go on, or {remedy}") from None
    found = _digest(partial, download.digest)
    if found != download.digest:
        partial.unlink()
        raise Unavailable(f"{download.url} brought {found}, not {download.digest}: the file was thrown away; {remedy}")
    partial.replace(path)


def _receive(url: str, partial: Path) -> None:
    """Append to `partial` what is missing of the file; start over if the server cannot send a part."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(Redirects)  # which checks certificates against the system's authorities
    try:
        response = opener.open(request, timeout=STALLED_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:  # nothing is missing; the digest decides
            return
        raise
    with response, partial.open("ab" if response.status == 206 else "wb") as file:
        expected = _announced(response.headers, partial)
        received = 0
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
            received += len(chunk)
            if received > LARGEST_DOWNLOAD:
                raise OSError(f"more than {LARGEST_DOWNLOAD:,} bytes came")
    if expected >= 0 and received < expected:
        raise OSError(f"the connection broke off after {received} of {expected} bytes")


def _announced(headers: Message, partial: Path) -> int:
    """Return how many bytes are to come, -1 if nobody says; raise OSError if there is no room for them."""
    text = headers.get("Content-Length") or ""
    expected = int(text) if text.isdecimal() else -1
    free = shutil.disk_usage(partial.parent).free
    if expected > min(free, LARGEST_DOWNLOAD):
        raise OSError(f"it has {expected:,} bytes, for which there is no room ({free:,} are free)")
    return expected


def _digest(path: Path, like: str) -> str:
    if not like:
        return ""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()}"
