"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Health = Literal["ok", "warn", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        area: what it is about, such as ``memory``.
        found: what there is.
        verdict: ``problem`` if runs will fail, ``warn`` if they will be slow or may fail.
        remedy: what to do about it; of what is well, how to have more.
    """

    area: str
    found: str
    verdict: Health = "ok"
    remedy: str = ""


def guarded(area: str, look: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    """Yield what a look at something finds; that it cannot be looked at is a finding, too."""
    try:
        yield from look()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        told = reason if isinstance(error, CxrbenchError) else f"could not be looked at: {type(error).__name__}: {reason}"
        yield Diagnosis(area=area, found=told, verdict="problem", remedy="mend what this names, or leave it out")
