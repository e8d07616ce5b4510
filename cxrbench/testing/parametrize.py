"""The checks as tests of pytest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.testing.check import ContractBroken
from cxrbench.testing.run import PlannedCheck, plan
from cxrbench.testing.subject import subjects_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Conformance:
    """One check as a test calls it."""

    planned: PlannedCheck

    def __call__(self) -> None:
        """Pass, fail with what was wrong and the remedy, or tell pytest why the check is skipped or expected to fail."""
        import pytest

        result = self.planned.run()
        if result.state == "failed":
            check = result.check
            raise ContractBroken(f"{result.subject}: {result.message}\n  why: {check.reason}\n  remedy: {check.remedy}")
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "expected":
            pytest.xfail(result.message)


def parametrize_with_checks(*what: str | Path, kind: str = "", expected_failures: Mapping[str, str] | None = None) -> Any:
    """Return a decorator that makes a test of every check of the named components, plugins or files.

    Usage::

        @parametrize_with_checks("squeezenet")
        def test_conformance(check):
            check()

    Args:
        what: `name`, `name:key=value`, a plugin's name, or the path of a one-file plugin.
        kind: for a name that components of several kinds have.
        expected_failures: why a check is expected to fail, by its name; strict: one that passes fails the test.

    Raises:
        UnknownName: there is no such component or plugin.
    """
    import pytest

    planned = [one for text in what for one in plan(subjects_of(text, kind), expected_failures)]
    ids = [f"{one.subject.kind}-{str(one.subject).partition(' ')[2]}-{one.check.name}" for one in planned]
    return pytest.mark.parametrize("check", [Conformance(one) for one in planned], ids=ids)
