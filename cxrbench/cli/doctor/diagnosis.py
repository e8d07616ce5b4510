"""The result of one check of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Health = Literal["ok", "warn", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of one check.

    Attributes:
        area: what was checked, such as ``memory``.
        found: what was found.
        verdict: ``problem`` if runs will fail, ``warn`` if they will be slow or may fail.
        remedy: how to fix it; with verdict ``ok``, how to get more, or an empty string.
    """

    area: str
    found: str
    verdict: Health = "ok"
    remedy: str = ""


def guarded(area: str, check: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    """Yield the diagnoses of a check; if it raises, yield a problem with the error."""
    try:
        yield from check()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else ""
        found = reason if isinstance(error, CxrbenchError) else f"check failed: {type(error).__name__}: {reason}"
        yield Diagnosis(
            area=area, found=found, verdict="problem", remedy="fix what the message names, or leave it out of the run"
        )
