"""A check of one rule of the plugin contract, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.testing.subject import Subject

CheckedKind = Literal["any", "dataset", "backbone", "augmentation", "imbalance", "engine", "shift", "observer"]
CheckState = Literal["passed", "failed", "skipped", "expected"]
CHECK_SEED = 7
"""The seed that checks build plugins with."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    Attributes:
        name: kebab-case, unique within its kind.
        function: checks a subject; raises ContractBroken or NotCheckable.
        reason: why the rule exists.
        remedy: how an author fixes a violation.
        kind: the kind of plugin that it applies to.
    """

    name: str
    function: Callable[[Subject], None]
    reason: str
    remedy: str
    kind: CheckedKind


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check.

    Attributes:
        subject: kind and component, as in ``backbone squeezenet``.
        state: ``expected`` is an expected failure; an expected failure that passes is ``failed``.
        message: what was wrong, or why the check was skipped; empty if it passed.
    """

    check: Check
    subject: str
    state: CheckState
    message: str = ""
