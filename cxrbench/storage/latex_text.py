"""Make foreign text safe to typeset with LaTeX, with pdfLaTeX and without further packages, too."""

from __future__ import annotations

import unicodedata

from cxrbench.storage.safe_text import as_line

COMMANDS = {
    **{char: rf"\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",  # a shorthand in some languages
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}
LETTERS = frozenset("ßæøœłÆØŒŁ")
ACCENTS = frozenset("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
"""Combining marks that every font encoding of LaTeX can set."""


DASHES = "-\N{EN DASH}\N{EM DASH}"


def escape_latex(text: str) -> str:
    r"""Return one line of text that LaTeX shows literally; letters that it may lack are shown as ``[U+4E2D]``."""
    line = as_line(text)
    shown = "".join(
        _escaped(char) + "{}" * _makes_one_sign(char, after) for char, after in zip(line, f"{line[1:]} ", strict=True)
    )
    return f"{{}}{shown}" if shown.startswith(("[", "*")) else shown  # else, after the end of a line of a table, an option


def _escaped(char: str) -> str:
    return COMMANDS.get(char) or (char if _is_known(char) else f"[U+{ord(char):04X}]")


def _makes_one_sign(char: str, after: str) -> bool:
    """Return whether LaTeX would make one sign of two: of hyphens a dash, of commas or apostrophes a quotation mark."""
    return (char == after and char in ",'") or (char in DASHES and after in DASHES)


def _is_known(char: str) -> bool:
    if char.isascii() or char in LETTERS:
        return True
    parts = unicodedata.normalize("NFD", char)
    return len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS
