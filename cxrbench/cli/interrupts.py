"""Turn Ctrl-C and the system's stop signals (shutdown, closed terminal) into one KeyboardInterrupt."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt inside the block at the first stop signal, and ignore later ones while the command ends."""
    numbers = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    handlers = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number in numbers if handlers[number] is not signal.SIG_IGN]  # nohup ignores SIGHUP: leave it so

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for handled_number in handled:
            signal.signal(handled_number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in handled:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, handlers[number])
