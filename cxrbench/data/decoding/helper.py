"""Have a file decoded by another process, which may crash, hang or run out of memory without harm."""

from __future__ import annotations

import atexit
import json
import os
import queue
import struct
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from threading import Lock, Timer
from typing import IO, TYPE_CHECKING, Literal

import numpy as np

from cxrbench.data.decoding.facts import FileFacts
from cxrbench.errors import CxrbenchError, DataError
from cxrbench.execution.worker import THREAD_VARIABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATIENCE = 300.0
"""Seconds that one file may take."""
ATTEMPTS = 2
"""A helper may die of something else than the file: of another program's memory, say."""
BIG = 2**26
"""Bytes of a file above which only one is decoded at a time."""
HEADER = struct.Struct("<QI?")
"""Bytes of the file, size, and whether bars are added."""
READY = b"ready"
LENGTH = struct.Struct("<?Q")
"""Of an answer: whether it is a film, and its bytes."""

_idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
_one_at_a_time = Lock()


class HelperDied(DataError):
    """A process that did not survive a file."""


def examine_apart(
    content: bytes, *, size: int, resize: Literal["stretch", "pad"], alone: bool = False
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Return what another process makes of a file; raise DataError with its reason, or with how it died of it.

    `alone` says that no other such file may be in memory meanwhile.
    """
    with _one_at_a_time if alone or len(content) > BIG else nullcontext():
        for _ in range(ATTEMPTS - 1):
            with suppress(HelperDied):
                return _examine(content, size, resize)
        return _examine(content, size, resize)


def _examine(content: bytes, size: int, resize: Literal["stretch", "pad"]) -> tuple[NDArray[np.uint8], FileFacts]:
    helper, deadline = _take(), time.monotonic() + PATIENCE
    timer = Timer(PATIENCE, helper.kill)
    timer.start()
    try:
        is_film, answer = _ask(helper, content, HEADER.pack(len(content), size, resize == "pad"))
    except (OSError, EOFError):
        code = helper.wait()
        _end(helper)
        if time.monotonic() >= deadline:
            raise DataError(f"takes more than {PATIENCE:.0f} seconds to decode") from None
        raise HelperDied(f"crashes what decodes it ({f'signal {-code}' if code < 0 else f'exit code {code}'})") from None
    except BaseException:
        _end(helper)
        raise
    finally:
        timer.cancel()
    _idle.put(helper)
    if not is_film:
        raise DataError(answer.decode())
    facts, _, film = answer.partition(b"\n")
    return np.frombuffer(film, dtype=np.uint8).reshape(size, size), FileFacts(**json.loads(facts))


def _ask(helper: subprocess.Popen[bytes], content: bytes, header: bytes) -> tuple[bool, bytes]:
    assert helper.stdin is not None
    assert helper.stdout is not None
    helper.stdin.write(header)
    helper.stdin.write(content)
    helper.stdin.flush()
    is_film, length = LENGTH.unpack(read_exactly(helper.stdout, LENGTH.size))
    return is_film, read_exactly(helper.stdout, length)


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    """Return so many bytes; raise EOFError if there are fewer."""
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


def _take() -> subprocess.Popen[bytes]:
    """Return a helper that nobody uses, or a new one; raise CxrbenchError if none starts, which is no fault of a file."""
    with suppress(queue.Empty):
        while True:
            helper = _idle.get_nowait()
            if helper.poll() is None:
                return helper
            _end(helper)
    paths = os.pathsep.join(filter(None, sys.path))
    try:
        helper = subprocess.Popen(
            [sys.executable, "-P", "-m", "cxrbench.data.decoding.helper_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native code prints what it likes
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONPATH": paths},  # each thread reserves memory
            start_new_session=True,  # who interrupts a run does not hit the file that is being decoded
        )
    except OSError as error:
        raise CxrbenchError(f"the process that decodes films did not start: {error.strerror}") from None
    if helper.stdout and helper.stdout.read(len(READY)) != READY:
        _end(helper)
        raise CxrbenchError(f"the process that decodes films did not start (exit code {helper.returncode})")
    return helper


def dismiss_helpers() -> None:
    """End the helpers that nobody uses."""
    with suppress(queue.Empty):
        while True:
            _end(_idle.get_nowait())


def _end(helper: subprocess.Popen[bytes]) -> None:
    helper.kill()
    for stream in (helper.stdin, helper.stdout):
        if stream:
            with suppress(OSError):  # what it has not read
                stream.close()
    helper.wait()


atexit.register(dismiss_helpers)
