"""The way to an MLflow tracking server, which is given up for the rest of the run when it fails."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE_SECONDS = 3.0


@dataclass(slots=True)
class Session:
    """One tracking server.

    Attributes:
        uri: as in MLFLOW_TRACKING_URI.
        failed: whether it failed, which is said once; from then on nothing is sent.
    """

    uri: str
    failed: bool = False

    def begin(self) -> None:
        """Give the server another chance, and raise if it does not answer."""
        self.failed = False
        self.tell(None)

    def tell(self, work: Callable[[Any], object] | None) -> None:
        """Do `work` with a client of the server, unless the server has failed before; whatever it raises counts as failure."""
        if self.failed:
            return
        self.failed = True
        _require_answer(self.uri)  # MLflow itself would try for minutes
        if work:
            work(_client(self.uri))
        self.failed = False


def active_session() -> Session | None:
    """Return the session of this process, or None where MLflow is not installed or nobody has said where it is."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return _session(uri) if uri and _is_installed() else None


@cache
def _session(uri: str) -> Session:
    return Session(uri)


def _is_installed() -> bool:
    found = find_spec("mlflow")
    return found is not None and found.origin is not None  # a folder `mlflow` in the working folder is no package


def _require_answer(uri: str) -> None:
    """Raise ConnectionError unless the server of an HTTP address accepts a connection, or a proxy stands before it."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return
    host = parts.hostname or ""
    if getproxies().get(parts.scheme) and not proxy_bypass(host):
        return
    try:
        socket.create_connection((host, parts.port or (443 if parts.scheme == "https" else 80)), PROBE_SECONDS).close()
    except OSError as error:
        raise ConnectionError(f"MLFLOW_TRACKING_URI={uri} does not answer ({error}); nothing more is logged there") from None


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers of every call
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # stdout is data
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)
