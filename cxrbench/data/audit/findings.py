"""The result of an audit, stored with every entry."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Count, Line
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.config.split_name import SplitName
    from cxrbench.data.dataset import LoadedDataset

Severity = Literal["leak", "conflict", "warning", "note"]
STOPS: tuple[Severity, ...] = ("leak", "conflict")
"""Severities that stop a run: images on both sides of a split, and an image under both labels."""
EXAMPLES = 5


class Finding(BaseModel):
    """One finding of an audit.

    Attributes:
        check: name of the check, such as ``shared-patients``.
        count: number of images concerned, or of levels of an attribute.
        message: one sentence for people.
        examples: at most five keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Line
    severity: Severity
    count: Count
    message: Line
    examples: tuple[Line, ...] = ()


class Audit(BaseModel):
    """The findings of an audit, most severe first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...] = ()

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that stop a run without ``--allow-leak``."""
        return tuple(finding for finding in self.findings if finding.severity in STOPS)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of all findings except notes."""
        return tuple(finding.message for finding in self.findings if finding.severity != "note")

    @property
    def verdict(self) -> str:
        """The findings in one line, for tables."""
        if not self.findings:
            return "clean"
        counts = Counter[tuple[str, Severity]]()
        for finding in self.findings:
            counts[finding.check, finding.severity] += finding.count
        listed = ", ".join(f"{count:,} {check} ({severity})" for (check, severity), count in counts.items())
        return f"{len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}: {listed}"


def leak_severity(split_name: SplitName) -> Severity:
    """Return how severe it is that a patient or an image is on both sides of a split: `paper` permits it."""
    return "warning" if split_name == "paper" else "leak"


def examples(dataset: LoadedDataset, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the keys of the first rows; absolute keys are shortened, so that entries do not show where the data lie."""
    keys = [dataset.records[row].key for row in rows[:EXAMPLES]]
    return tuple(as_line("/".join(key.split("/")[-3:]) if is_absolute(key) else key) for key in keys)


def is_absolute(key: str) -> bool:
    """Return whether a key is an absolute path on POSIX or Windows."""
    return PurePosixPath(key).is_absolute() or PureWindowsPath(key).is_absolute()
