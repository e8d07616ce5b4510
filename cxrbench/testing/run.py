"""Hold components against the checks of their kind; what the command, pytest and our own suite have in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError, unknown_name
from cxrbench.testing import augmentations, backbone_build, backbones, datasets, engines, imbalances
from cxrbench.testing.check import Check, CheckResult, ContractBroken, NotCheckable
from cxrbench.testing.declarations import LOADS, checks_of_any
from cxrbench.testing.subject import one_line, subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cxrbench.testing.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCheck:
    """A check and what it will be held against.

    Attributes:
        expected: why it is expected to fail; empty if it is not.
    """

    check: Check
    subject: Subject
    expected: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.check.name}"

    def run(self) -> CheckResult:
        """Carry it out; nothing but an interrupt comes out as an exception."""
        result = CheckResult(check=self.check, subject=str(self.subject), state="passed")
        try:
            self.check.function(self.subject)
        except NotCheckable as reason:
            return replace(result, state="skipped", message=str(reason))
        except (Exception, SystemExit) as error:
            said = str(error) if isinstance(error, ContractBroken) else f"the plugin raised {one_line(error)}"
            return replace(result, state="expected" if self.expected else "failed", message=self.expected or said)
        if self.expected:
            message = f"passes, but was expected to fail ({self.expected}): take it off expected_failures"
            return replace(result, state="failed", message=message)
        return result


def checks_for(kind: str) -> tuple[Check, ...]:
    """Return the checks that hold for a kind: those of any kind, then its own; `plugin` stands for one that does not load."""
    match kind:
        case "plugin":
            return (LOADS,)
        case "dataset":
            return (*checks_of_any(datasets.build), *datasets.CHECKS)
        case "backbone":
            return (*checks_of_any(backbone_build.first), *backbones.CHECKS)
        case "augmentation":
            return (*checks_of_any(augmentations.build), *augmentations.CHECKS)
        case "imbalance":
            return (*checks_of_any(imbalances.build), *imbalances.CHECKS)
        case "engine":
            return (*checks_of_any(engines.build), *engines.CHECKS)
    raise unknown_name("kind", kind, ("dataset", "backbone", "augmentation", "imbalance", "engine"))


def plan(subjects: Iterable[Subject], expected_failures: Mapping[str, str] | None = None) -> list[PlannedCheck]:
    """Return every check of every subject, in order.

    Args:
        subjects: from `subjects_of`.
        expected_failures: why a check is expected to fail, by its name; one that passes then counts as failed.

    Raises:
        ConfigError: an expected failure of a check that there is not, or without a reason.
    """
    expected = dict(expected_failures or {})
    planned = [
        PlannedCheck(check=check, subject=subject, expected=expected.get(check.name, ""))
        for subject in subjects
        for check in checks_for(subject.kind)
    ]
    if unknown := expected.keys() - {one.check.name for one in planned}:
        raise ConfigError(f"expected_failures names {', '.join(sorted(unknown))}, which is no check of this kind")
    if empty := [name for name, reason in expected.items() if not reason.strip()]:
        raise ConfigError(f"expected_failures gives no reason for {', '.join(sorted(empty))}")
    return planned


def run_checks(what: str | Path, *, kind: str = "", expected_failures: Mapping[str, str] | None = None) -> list[CheckResult]:
    """Check a component (`name` or `name:key=value`), a plugin by name, or a Python file; return what came of each check.

    Raises:
        UnknownName: there is no such component or plugin.
        ConfigError: there is no such file, or `expected_failures` cannot be meant.
    """
    return [one.run() for one in plan(subjects_of(what, kind), expected_failures)]
