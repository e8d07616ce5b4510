"""Run checks as pytest tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.testing.outcome import ContractBroken
from cxrbench.testing.run import PlannedCheck, plan_checks
from cxrbench.testing.subject import subjects_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Conformance:
    """One check, as a pytest test calls it."""

    planned: PlannedCheck

    @property
    def name(self) -> str:
        """The id of the test: kind, component and check."""
        subject = self.planned.subject
        return f"{subject.kind}-{str(subject).partition(' ')[2]}-{self.planned.check.name}"

    def __call__(self) -> None:
        """Run the check; raise ContractBroken if it fails, and mark it in pytest if it is skipped or fails as expected."""
        import pytest

        result = self.planned.run()
        if result.state == "failed":
            check = result.check
            raise ContractBroken(f"{result.subject}: {result.message}\n  reason: {check.reason}\n  remedy: {check.remedy}")
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "expected":
            pytest.xfail(result.message)


def parametrize_with_checks(*what: str | Path, kind: str = "", expected_failures: Mapping[str, str] | None = None) -> Any:
    """Return a decorator that runs a test once for every check of the given components, plugins or files.

    Usage::

        @parametrize_with_checks("squeezenet")
        def test_conformance(check):
            check()

    Args:
        what: `name`, `name:key=value`, a plugin's name, or the path of a one-file plugin.
        kind: the kind, if components of several kinds have the name.
        expected_failures: reasons by check name; strict: an expected failure that passes fails the test.

    Raises:
        UnknownName: no component or plugin has that name.
    """
    import pytest

    tests = [Conformance(check) for text in what for check in plan_checks(subjects_of(text, kind), expected_failures)]
    return pytest.mark.parametrize("check", tests, ids=[test.name for test in tests])
