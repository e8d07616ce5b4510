"""The terminal: what ``cxrbench leaderboard`` prints, as SVG whose text is text and which loads nothing."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 112
COMMAND = "cxrbench leaderboard"
WITHOUT_FONTS = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")


def terminal_svg(root: Path) -> str:
    """Return the terminal after the command, in the folder of the project."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(printed(root)), soft_wrap=True)
    return console.export_svg(title="cxrbench", code_format=WITHOUT_FONTS, unique_id="cxrbench") + "\n"


def printed(root: Path) -> str:
    """Return what the command prints on a terminal of `COLUMNS` columns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    command = [str(Path(sys.executable).parent / "cxrbench"), *COMMAND.split()[1:]]
    with subprocess.Popen(command, cwd=root, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        written = b""
        while block := _read(ours):
            written += block
    os.close(ours)
    if process.returncode:
        raise RuntimeError(f"{COMMAND} ended with exit code {process.returncode}")
    return written.decode().replace("\r\n", "\n").rstrip("\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other side is closed
        return b""
