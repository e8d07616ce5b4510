"""Rules that make one binary label of what a table says of an image."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from cxrbench.plugin import ClassNames, DataError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UncertainRule = Literal["positive-only", "uncertain-as-positive", "uncertain-as-negative"]
"""What becomes of images where the finding is uncertain: left out, positive or negative."""
Negatives = Literal["no-finding", "all"]
"""The negative images: those that the table calls normal, or all that do not have the finding."""
Value = Literal[1, 0, -1] | None
"""What a table says of a finding: present, absent, uncertain, or nothing (the cell is blank)."""
Answer = Literal[0, 1] | str
"""A label, or the reason why the image has none and is left out."""
NAMED = 40
"""Labels that an error lists."""
_VALUES: Mapping[str, Value] = {"1": 1, "1.0": 1, "0": 0, "0.0": 0, "-1": -1, "-1.0": -1, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """The rule of one dataset.

    Attributes:
        finding: the label of the table that makes an image positive.
        negatives: which images are negative.
        normal: the label of the table that makes an image normal.
        uncertain: what becomes of images where the finding is uncertain.
    """

    finding: str
    negatives: Negatives
    normal: str = "No Finding"
    uncertain: UncertainRule = "positive-only"

    @property
    def class_names(self) -> ClassNames:
        """The names of the two classes."""
        return ClassNames(
            negative=self.normal if self.negatives == "no-finding" else f"no {self.finding}", positive=self.finding
        )

    def answer(self, value: Value, *, is_normal: bool) -> Answer:
        """Return the label of an image, or why it is left out.

        Uncertain images are decided by `uncertain` alone. If `negatives` is ``all``, an image without the finding is negative,
        whether the table says so or says nothing.

        Args:
            value: what the table says of the finding.
            is_normal: whether it calls the image normal.
        """
        if value == 1:
            return 1
        if value == -1:
            return self._uncertain_answer()
        if self.negatives == "all" or is_normal:
            return 0
        return f"with neither {self.finding} nor {self.normal} (negatives=no-finding)"

    def _uncertain_answer(self) -> Answer:
        if self.uncertain == "positive-only":
            return f"where {self.finding} is uncertain (label=positive-only)"
        return 1 if self.uncertain == "uncertain-as-positive" else 0


def value_of(cell: str, where: str) -> Value:
    """Return what a cell says of a finding; raise DataError, which says where, unless it is 1, 0, -1 (uncertain) or blank."""
    try:
        return _VALUES[cell.strip()]
    except KeyError:
        raise DataError(f"{where}: a label is {cell!r}, expected 1, 0, -1 or nothing: use the published table") from None


def find_finding(asked: str, known: Collection[str], normal: str) -> str:
    """Return a label of a table as it is written there; upper and lower case are the same.

    Args:
        asked: what the user wrote.
        known: the labels of the table, the most important first.
        normal: the label of normal images, which is not a finding.

    Raises:
        UnknownName: the table has no such finding. The message lists those that it has.
    """
    findings = {label.casefold(): label for label in known if label != normal}
    if found := findings.get(asked.strip().casefold()):
        return found
    names = list(findings.values())
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    close = get_close_matches(asked.casefold(), list(findings), n=3)
    hint = f"did you mean {' or '.join(findings[name] for name in close)}? " if close else ""
    raise UnknownName(f"finding={asked}: {hint}The findings of this table are {', '.join(names[:NAMED])}{more}")
