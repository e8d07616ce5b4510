"""Calls and results as bytes. Only the run and its own worker processes read them; Dask carries them unread."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


class _Pickler(pickle.Pickler):
    """A pickler that leaves out the paths of one-file plugins, which are elsewhere on another machine."""

    def __init__(self, file: io.BytesIO, files: Collection[Path]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._files = files

    def persistent_id(self, obj: Any) -> str | None:
        return str(obj) if isinstance(obj, Path) and obj in self._files else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, files: Mapping[str, Path]) -> None:
        super().__init__(file)
        self._files = files

    def persistent_load(self, pid: Any) -> Path:
        return self._files[pid]


def call_as_bytes(
    function: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any], files: Collection[Path]
) -> bytes:
    """Return a call as bytes.

    Args:
        function: of a module, or a method of a record.
        arguments: of the call.
        keywords: of the call.
        files: the one-file plugins of the run.
    """
    file = io.BytesIO()
    _Pickler(file, files).dump((function, arguments, dict(keywords)))
    return file.getvalue()


def run_bytes(call: bytes, files: Mapping[str, Path]) -> bytes:
    """Compute a call and return its value as bytes.

    Args:
        call: as `call_as_bytes` returns it.
        files: where each one-file plugin is on this machine, by its path where the run is.
    """
    function, arguments, keywords = _Unpickler(io.BytesIO(call), files).load()
    return pickle.dumps(function(*arguments, **keywords), protocol=pickle.HIGHEST_PROTOCOL)


def value_of(result: bytes) -> Any:
    """Return the value of a call."""
    return pickle.loads(result)  # noqa: S301  # from a process of the run; who reaches the scheduler can run code anyway
