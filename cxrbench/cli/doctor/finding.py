"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Verdict = Literal["ok", "warn", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: what it is about, such as ``memory``.
        found: what there is.
        verdict: ``problem`` if runs will fail, ``warn`` if they will be slow or may fail.
        remedy: what to do about it; of what is well, how to have more.
    """

    area: str
    found: str
    verdict: Verdict = "ok"
    remedy: str = ""


def guarded(area: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield what a look at something finds; that it cannot be looked at is a finding, too."""
    try:
        yield from look()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        told = reason if isinstance(error, CxrbenchError) else f"could not be looked at: {type(error).__name__}: {reason}"
        yield Finding(area=area, found=told, verdict="problem", remedy="mend what this names, or leave it out")
