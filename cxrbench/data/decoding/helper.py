"""Decode files in separate processes, which may crash, hang or run out of memory without harm."""

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
from cxrbench.execution.search_path import libraries_first
from cxrbench.execution.worker import THREAD_VARIABLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECODING_SECONDS = 300.0
"""Time limit of one file."""
ATTEMPTS = 2
"""A helper may die for another reason than the file, such as a lack of memory caused by another program."""
BIG_FILE_BYTES = 2**26
"""Files above this size are decoded one at a time."""
REQUEST = struct.Struct("<QI?")
"""Bytes of the file, size of the image, whether to pad."""
READY = b"ready"
RESPONSE = struct.Struct("<?Q")
"""Whether an image was decoded, and the bytes of the response."""

_idle_helpers: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
_big_file_lock = Lock()


class HelperDied(DataError):
    """A helper process crashed on a file."""


def decode_in_helper(
    data: bytes, *, size: int, resize: Literal["stretch", "pad"], alone: bool = False
) -> tuple[NDArray[np.uint8], FileFacts]:
    """Examine a file in a helper process; raise DataError with the helper's reason, or if it crashes.

    With `alone`, no other big file is in memory at the same time.
    """
    with _big_file_lock if alone or len(data) > BIG_FILE_BYTES else nullcontext():
        for _ in range(ATTEMPTS - 1):
            with suppress(HelperDied):
                return _decode_once(data, size, resize)
        return _decode_once(data, size, resize)


def _decode_once(data: bytes, size: int, resize: Literal["stretch", "pad"]) -> tuple[NDArray[np.uint8], FileFacts]:
    helper, deadline = _idle_or_new_helper(), time.monotonic() + DECODING_SECONDS
    timer = Timer(DECODING_SECONDS, helper.kill)
    timer.start()
    try:
        decoded, response = _request(helper, data, REQUEST.pack(len(data), size, resize == "pad"))
    except (OSError, EOFError):
        code = helper.wait()
        _end_helper(helper)
        if time.monotonic() >= deadline:
            raise DataError(f"takes more than {DECODING_SECONDS:.0f} seconds to decode") from None
        raise HelperDied(f"crashes the decoder ({f'signal {-code}' if code < 0 else f'exit code {code}'})") from None
    except BaseException:
        _end_helper(helper)
        raise
    finally:
        timer.cancel()
    _idle_helpers.put(helper)
    if not decoded:
        raise DataError(response.decode())
    facts, _, pixels = response.partition(b"\n")
    return np.frombuffer(pixels, dtype=np.uint8).reshape(size, size), FileFacts(**json.loads(facts))


def _request(helper: subprocess.Popen[bytes], data: bytes, header: bytes) -> tuple[bool, bytes]:
    assert helper.stdin is not None
    assert helper.stdout is not None
    helper.stdin.write(header)
    helper.stdin.write(data)
    helper.stdin.flush()
    decoded, length = RESPONSE.unpack(read_exactly(helper.stdout, RESPONSE.size))
    return decoded, read_exactly(helper.stdout, length)


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    """Read `count` bytes; raise EOFError if there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _idle_or_new_helper() -> subprocess.Popen[bytes]:
    """Return an idle helper or start a new one; raise CxrbenchError if it does not start."""
    with suppress(queue.Empty):
        while True:
            helper = _idle_helpers.get_nowait()
            if helper.poll() is None:
                return helper
            _end_helper(helper)
    paths = os.pathsep.join(libraries_first())
    try:
        helper = subprocess.Popen(
            [sys.executable, "-P", "-m", "cxrbench.data.decoding.helper_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # native code may print anything
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONPATH": paths},  # each thread reserves memory
            start_new_session=True,  # Ctrl-C must not reach the helper
        )
    except OSError as error:
        raise CxrbenchError(f"the process that decodes images did not start: {error.strerror}") from None
    if helper.stdout and helper.stdout.read(len(READY)) != READY:
        _end_helper(helper)
        raise CxrbenchError(f"the process that decodes images did not start (exit code {helper.returncode})")
    return helper


def dismiss_helpers() -> None:
    """End all idle helpers."""
    with suppress(queue.Empty):
        while True:
            _end_helper(_idle_helpers.get_nowait())


def _end_helper(helper: subprocess.Popen[bytes]) -> None:
    helper.kill()
    for stream in (helper.stdin, helper.stdout):
        if stream:
            with suppress(OSError):  # unread data
                stream.close()
    helper.wait()


atexit.register(dismiss_helpers)
