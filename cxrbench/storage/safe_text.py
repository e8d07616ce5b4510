"""Make foreign text safe to show: on a terminal, in Markdown, CSV and JSON, and without telling whose machine this is.

Entries, plugins, file names and what failed calls print come from others. Whatever a person reads of them goes through here.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST_LINE = 2000
"""Signs of one line of foreign text; what is longer tells nobody more."""
FORMULA = ("=", "+", "-", "@")
"""What spreadsheets take for the beginning of a formula (OWASP, CSV Injection)."""
INLINE = re.compile(r"[\\`*|<\[\]~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)")
BLOCK = re.compile(r"\A(\s*)(?:([#>+=-])|(\d+)([.)]))")
LINKED = re.compile(r"(?<=[a-z])(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
ABSOLUTE = re.compile(
    r"(?<![\w.:/~$\\-])(?:/(?:[^\s/:'\",;()<>|]+/)+|[A-Za-z]:\\(?:[^\s\\:'\",;()<>|]+\\)+)(?=[^\s/\\:'\",;()<>|])"
)


def as_text(text: str) -> str:
    """Return text in which every sign that a terminal obeys or hides is spelled out, as `repr` does; line breaks stay.

    Those are controls, bidirectional overrides, signs without width, and half surrogates.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign == "\n" or _is_harmless(sign) else _spelled(sign) for sign in text)


def as_line(text: str) -> str:
    """Return text as one line of at most 2,000 signs, made safe as by `as_text`."""
    line = as_text(text).replace("\n", "\\n")
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}\N{HORIZONTAL ELLIPSIS}"


def as_json(content: Any) -> str:
    """Return content as readable JSON in which all that is not printable is escaped; nothing is lost."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)  # such signs can stand only in its strings
    return "".join(sign if sign == "\n" or _is_harmless(sign) else json.dumps(sign)[1:-1] for sign in text)


def as_markdown(text: str) -> str:
    """Return text that Markdown shows as it is inside a line or a cell: no HTML, no link, no image, no new cell or line."""
    line = INLINE.sub(lambda found: {"<": "&lt;", "&": "&amp;"}.get(found[0], f"\\{found[0]}"), as_line(text))
    return LINKED.sub(lambda found: f"&#{ord(found[0])};", line)


def as_paragraph(text: str) -> str:
    """Return text as by `as_markdown` that may also begin a line: no heading, list or quotation comes of it."""
    return BLOCK.sub(lambda found: f"{found[1]}{found[3] or ''}\\{found[2] or found[4]}", as_markdown(text).strip())


def as_cell(text: str) -> str:
    """Return text as a cell of a CSV file; what a spreadsheet would take for a formula stands behind an apostrophe."""
    line = as_line(text)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line


def without_paths(text: str) -> str:
    """Return text that does not tell where things lie on this machine.

    Folders that a person knows are called by a name, such as ``~``; of any other absolute path the last part stays.
    """
    return all_without_paths((text,))[0]


def all_without_paths(lines: Iterable[str]) -> tuple[str, ...]:
    """Return lines as by `without_paths`."""
    names = dict(_places())
    known = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w.-])")
    return tuple(ABSOLUTE.sub("\N{HORIZONTAL ELLIPSIS}/", known.sub(lambda found: names[found[0]], line)) for line in lines)


def _places() -> Iterator[tuple[str, str]]:
    """Yield the folders whose place is nobody's business, the deepest first, and what to call each."""
    known = {name: os.environ.get(name, "") for name in ("CXRBENCH_HOME", "KERAS_HOME")}
    named = [(Path(folder).expanduser().absolute(), f"${name}") for name, folder in known.items() if folder]
    named += [(Path(sys.prefix), "$PREFIX"), (Path(sys.base_prefix), "$PREFIX")]
    for find, name in ((Path.cwd, "."), (Path.home, "~"), (lambda: Path(tempfile.gettempdir()), "$TMPDIR")):
        with suppress(OSError, RuntimeError):  # a folder that was removed, a user without a home
            named.append((find(), name))
    written = {str(form): name for folder, name in reversed(named) for form in (folder, folder.resolve())}
    yield from sorted(
        ((folder, name) for folder, name in written.items() if len(Path(folder).parts) > 1), key=lambda one: -len(one[0])
    )


def _is_harmless(sign: str) -> bool:
    return sign.isprintable() or unicodedata.category(sign) == "Zs"


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
