"""Run the checks of a component's kind; shared by the command, pytest and our own tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError, unknown_name
from cxrbench.execution.keras_process import import_keras
from cxrbench.testing.augmentations import AUGMENTATION_CHECKS, built_augmentation
from cxrbench.testing.backbone_build import built_backbone
from cxrbench.testing.backbones import BACKBONE_CHECKS
from cxrbench.testing.check import Check, CheckResult
from cxrbench.testing.datasets import DATASET_CHECKS, listed_images
from cxrbench.testing.declarations import LIGHT_IMPORT_CHECK, LOADS_CHECK, checks_of_any
from cxrbench.testing.engines import ENGINE_CHECKS, built_engine
from cxrbench.testing.imbalances import IMBALANCE_CHECKS, first_decision
from cxrbench.testing.observers import OBSERVER_CHECKS
from cxrbench.testing.outcome import ContractBroken, NotCheckable
from cxrbench.testing.shifts import SHIFT_CHECKS, built_shift
from cxrbench.testing.subject import error_line, subjects_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cxrbench.testing.subject import Subject

KINDS_OF_KERAS = frozenset({"backbone", "augmentation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCheck:
    """A check and its subject.

    Attributes:
        expected: the reason why it is expected to fail; empty if it is expected to pass.
    """

    check: Check
    subject: Subject
    expected: str = ""

    def run(self) -> CheckResult:
        """Run the check; return every outcome as a result. Raise for an interrupt, and WorkersUnavailable without Keras."""
        if self.subject.kind in KINDS_OF_KERAS:
            import_keras()  # with the settings of a run, not those of the user
        result = CheckResult(check=self.check, subject=str(self.subject), state="passed")
        try:
            self.check.function(self.subject)
        except NotCheckable as reason:
            return replace(result, state="skipped", message=str(reason))
        except (Exception, SystemExit) as error:
            problem = str(error) if isinstance(error, ContractBroken) else f"the plugin raised {error_line(error)}"
            return replace(result, state="expected" if self.expected else "failed", message=self.expected or problem)
        if self.expected:
            message = f"it passes, but was expected to fail ({self.expected}): remove it from expected_failures"
            return replace(result, state="failed", message=message)
        return result


def checks_for(kind: str) -> tuple[Check, ...]:
    """Return the checks of a kind: those of any kind, then its own; kind `plugin` is a plugin that could not be loaded."""
    checks = {
        "plugin": (LOADS_CHECK,),
        "dataset": (*checks_of_any(listed_images), *DATASET_CHECKS),
        "backbone": (*checks_of_any(built_backbone), *BACKBONE_CHECKS),
        "augmentation": (*checks_of_any(built_augmentation), *AUGMENTATION_CHECKS),
        "imbalance": (*checks_of_any(first_decision), *IMBALANCE_CHECKS),
        "engine": (*checks_of_any(built_engine), *ENGINE_CHECKS),
        "shift": (*checks_of_any(built_shift), *SHIFT_CHECKS),
        "observer": (LOADS_CHECK, LIGHT_IMPORT_CHECK, *OBSERVER_CHECKS),
    }
    if kind not in checks:
        raise unknown_name("kind", kind, checks.keys() - {"plugin"})
    return checks[kind]


def plan_checks(subjects: Iterable[Subject], expected_failures: Mapping[str, str] | None = None) -> list[PlannedCheck]:
    """Return every check of every subject, in order.

    Args:
        subjects: from `subjects_of`.
        expected_failures: reasons by check name; an expected failure that passes counts as failed.

    Raises:
        ConfigError: an expected failure names an unknown check or gives no reason.
    """
    expected = dict(expected_failures or {})
    planned = [
        PlannedCheck(check=check, subject=subject, expected=expected.get(check.name, ""))
        for subject in subjects
        for check in checks_for(subject.kind)
    ]
    if unknown := expected.keys() - {planned_check.check.name for planned_check in planned}:
        raise ConfigError(f"expected_failures: unknown check of this kind: {', '.join(sorted(unknown))}")
    if empty := [name for name, reason in expected.items() if not reason.strip()]:
        raise ConfigError(f"expected_failures: the reason is missing for {', '.join(sorted(empty))}")
    return planned


def hardly_checked(results: Iterable[CheckResult]) -> dict[str, str]:
    """Return the subjects of which most is unknown, each with how much was skipped and why.

    Those that could not be built, and those of which more than half of the checks were skipped.
    """
    by_subject: dict[str, list[CheckResult]] = {}
    for result in results:
        by_subject.setdefault(result.subject, []).append(result)
    found = {}
    for subject, checks in by_subject.items():
        skipped = [result for result in checks if result.state == "skipped"]
        not_built = [result for result in skipped if result.check.name == "builds"]
        if not_built or 2 * len(skipped) > len(checks):
            found[subject] = f"{len(skipped)} of {len(checks)} checks were skipped: {(not_built or skipped)[0].message}"
    return found


def run_checks(what: str | Path, *, kind: str = "", expected_failures: Mapping[str, str] | None = None) -> list[CheckResult]:
    """Run every check of a component (`name` or `name:key=value`), a plugin or a Python file; return the results.

    Raises:
        UnknownName: no component or plugin has that name.
        ConfigError: the file does not exist, or `expected_failures` is invalid.
    """
    return [check.run() for check in plan_checks(subjects_of(what, kind), expected_failures)]
