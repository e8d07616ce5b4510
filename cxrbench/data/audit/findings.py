"""What an audit says: records that are stored with every entry."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Count, Line  # noqa: TC001  # pydantic reads the annotations at run time
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.data.dataset import LoadedDataset

Severity = Literal["leak", "conflict", "warning", "note"]
STOPS: tuple[Severity, ...] = ("leak", "conflict")
"""What no fair comparison can be made with: images on both sides of a split, and one film under two labels."""
EXAMPLES = 5


class Finding(BaseModel):
    """One thing that an audit found.

    Attributes:
        check: what was looked for, such as ``shared-patients``.
        count: how many images it is about, or levels of an attribute.
        message: a sentence for a person.
        examples: at most five keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: Line
    severity: Severity
    count: Count
    message: Line
    examples: tuple[Line, ...] = ()


class Audit(BaseModel):
    """All that an audit found, the worst first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: tuple[Finding, ...] = ()

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that stop a run unless it is told to go on."""
        return tuple(finding for finding in self.findings if finding.severity in STOPS)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The messages of all findings but notes."""
        return tuple(finding.message for finding in self.findings if finding.severity != "note")

    @property
    def verdict(self) -> str:
        """One line for a table."""
        if not self.findings:
            return "clean"
        told = Counter[tuple[str, Severity]]()
        for finding in self.findings:
            told[finding.check, finding.severity] += finding.count
        what = ", ".join(f"{count:,} {check} ({severity})" for (check, severity), count in told.items())
        return f"{len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}: {what}"


def examples(dataset: LoadedDataset, rows: NDArray[np.int64]) -> tuple[str, ...]:
    """Return the keys of the first few rows; of an absolute one its end, for an entry tells nobody where data lie."""
    keys = [dataset.records[row].key for row in rows[:EXAMPLES]]
    return tuple(as_line("/".join(key.split("/")[-3:]) if is_absolute(key) else key) for key in keys)


def is_absolute(key: str) -> bool:
    """Tell whether a key starts at a root or a drive, on whatever machine."""
    return PurePosixPath(key).is_absolute() or PureWindowsPath(key).is_absolute()
