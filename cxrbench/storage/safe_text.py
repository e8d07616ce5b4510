"""Make foreign text safe to show on a terminal and in Markdown, CSV and JSON, and remove paths of this machine from it.

Entries, plugins, file names and the output of failed calls come from others. These functions are applied before they are shown.
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
"""Maximum number of characters in one line of foreign text."""
FORMULA_STARTS = ("=", "+", "-", "@")
"""Characters that begin a formula in a spreadsheet (OWASP, CSV Injection)."""
INLINE_MARKUP = re.compile(r"[\\`*|<\[\]~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)")
BLOCK_MARKUP = re.compile(r"\A(\s*)(?:([#>+=-])|(\d+)([.)]))")
AUTOMATIC_LINK = re.compile(r"(?<=[a-z])(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
ABSOLUTE_FOLDER = re.compile(
    r"(?<![\w.:/~$\\-])(?:/(?:[^\s/:'\",;()<>|]+/)+|[A-Za-z]:\\(?:[^\s\\:'\",;()<>|]+\\)+)(?=[^\s/\\:'\",;()<>|])"
)


def is_unicode(text: str) -> bool:
    """Return whether text is valid Unicode; other bytes of a command line or a file name become lone surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def as_text(text: str) -> str:
    """Return text in which unsafe characters are escaped as in `repr`; line breaks stay.

    Unsafe are control characters, bidirectional overrides, zero-width characters and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(char if char == "\n" or _is_safe(char) else _escape(char) for char in text)


def as_line(text: str) -> str:
    """Return text as one line of at most 2,000 characters, escaped as by `as_text`."""
    line = as_text(text).replace("\n", "\\n")
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}\N{HORIZONTAL ELLIPSIS}"


def as_json(content: Any) -> str:
    """Return content as indented JSON in which unsafe characters are escaped. Parsing gives the content back."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)  # unsafe characters occur only inside strings
    return "".join(char if char == "\n" or _is_safe(char) else json.dumps(char)[1:-1] for char in text)


def as_json_line(content: Any) -> str:
    """Return content as JSON in one line, of ASCII characters alone. Parsing gives the content back."""
    return json.dumps(content, allow_nan=False).replace("\x7f", "\\u007f")


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally inside a line or a cell: no HTML, link, image, new cell or new line."""
    line = INLINE_MARKUP.sub(lambda match: {"<": "&lt;", "&": "&amp;"}.get(match[0], f"\\{match[0]}"), as_line(text))
    return AUTOMATIC_LINK.sub(lambda match: f"&#{ord(match[0])};", line)


def as_paragraph(text: str) -> str:
    """Return text as by `escape_markdown` that may also begin a line: it makes no heading, list or quotation."""
    return BLOCK_MARKUP.sub(lambda match: f"{match[1]}{match[3] or ''}\\{match[2] or match[4]}", escape_markdown(text).strip())


def as_cell(text: str) -> str:
    """Return text as a cell of a CSV file. An apostrophe is put before text that a spreadsheet would read as a formula."""
    line = as_line(text)
    return f"'{line}" if line.lstrip().startswith(FORMULA_STARTS) else line


def without_paths(text: str) -> str:
    """Return text without absolute paths of this machine.

    Well-known folders are replaced by a name, such as ``~``. Of any other absolute path only the last part stays.
    """
    return all_without_paths((text,))[0]


def all_without_paths(lines: Iterable[str]) -> tuple[str, ...]:
    """Apply `without_paths` to each line."""
    names = dict(_named_folders())
    known = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w.-])")
    return tuple(
        ABSOLUTE_FOLDER.sub("\N{HORIZONTAL ELLIPSIS}/", known.sub(lambda match: names[match[0]], line)) for line in lines
    )


def _named_folders() -> Iterator[tuple[str, str]]:
    """Yield the path of each well-known folder and its name, the longest path first."""
    variables = {name: os.environ.get(name, "") for name in ("CXRBENCH_HOME", "KERAS_HOME")}
    named = [(Path(folder).expanduser().absolute(), f"${name}") for name, folder in variables.items() if folder]
    named += [(Path(sys.prefix), "$PREFIX"), (Path(sys.base_prefix), "$PREFIX")]
    for find, name in ((Path.cwd, "."), (Path.home, "~"), (lambda: Path(tempfile.gettempdir()), "$TMPDIR")):
        with suppress(OSError, RuntimeError):  # the folder was removed, or the user has no home
            named.append((find(), name))
    paths = {str(path): name for folder, name in reversed(named) for path in (folder, folder.resolve())}
    yield from sorted(
        ((path, name) for path, name in paths.items() if len(Path(path).parts) > 1), key=lambda pair: -len(pair[0])
    )


def _is_safe(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
