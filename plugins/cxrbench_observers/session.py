"""Connect to an MLflow tracking server. After a failure nothing more is sent for the rest of the run."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cxrbench_observers.trials import SeenTrial

if TYPE_CHECKING:
    from cxrbench.plugin import Trial

PROBE_SECONDS = 3.0
Log = Callable[[Any], object]
"""Logs something with a client of the server."""


@dataclass(slots=True)
class Session:
    """A connection to one tracking server.

    Attributes:
        uri: value of MLFLOW_TRACKING_URI.
        failed: whether the server failed; it is reported once, and nothing more is sent.
        seen: by recipe and stage, the trials that ended before there was an entry of both.
        error: what was raised in the background and not reported yet.
    """

    uri: str
    failed: bool = False
    seen: dict[tuple[str, str], list[SeenTrial]] = field(default_factory=dict)
    error: Exception | None = None
    _later: Queue[Log] = field(default_factory=Queue)
    _thread: Thread | None = None

    def keep(self, row: tuple[str, str], trial: Trial) -> None:
        """Keep a trial of a recipe and stage, unless the server failed before."""
        if not self.failed:
            self.seen.setdefault(row, []).append(SeenTrial(trial=trial))

    def start(self) -> None:
        """Try the server again; raise ConnectionError if it does not answer."""
        self.failed = False
        self.seen.clear()
        self.send(None)

    def send(self, log: Log | None) -> None:
        """Call `log` with a client of the server, unless the server failed before. An exception counts as a failure."""
        if self.failed:
            return
        try:
            _require_answer(self.uri)  # MLflow itself would retry for minutes
            if log:
                log(_client(self.uri))
        except BaseException:
            self.failed = True
            raise

    def send_later(self, log: Log) -> None:
        """Send in the background: hundreds of trials take MLflow longer than a run should wait.

        What is not sent when the process is interrupted, the next run sends, without the trials.
        """
        if self._thread is None:
            self._thread = Thread(target=self._send_all, daemon=True)
            self._thread.start()
        self._later.put(log)

    def finish(self) -> None:
        """Wait until everything is sent; raise what was raised."""
        self._later.join()
        error, self.error = self.error, None
        if error:
            raise error

    def _send_all(self) -> None:
        while True:
            log = self._later.get()
            try:
                self.send(log)
            except Exception as error:
                self.error = error
            finally:
                self._later.task_done()


def active_session() -> Session | None:
    """Return the session of this process, or None if MLflow is not installed or MLFLOW_TRACKING_URI is not set."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    return _session(uri) if uri and _mlflow_is_installed() else None


@cache
def _session(uri: str) -> Session:
    return Session(uri)


def _mlflow_is_installed() -> bool:
    spec = find_spec("mlflow")
    return spec is not None and spec.origin is not None  # a folder `mlflow` in the working directory has no origin


def _require_answer(uri: str) -> None:
    """Raise ConnectionError unless the server of an HTTP address accepts a connection; behind a proxy, do not check."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return
    host = parts.hostname or ""
    if getproxies().get(parts.scheme) and not proxy_bypass(host):
        return
    try:
        socket.create_connection((host, parts.port or (443 if parts.scheme == "https" else 80)), PROBE_SECONDS).close()
    except OSError as error:
        raise ConnectionError(
            f"MLFLOW_TRACKING_URI={uri} does not answer ({error}). Nothing more is logged there in this run"
        ) from None


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # do not report every call to MLflow's makers
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # stdout is data
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)
