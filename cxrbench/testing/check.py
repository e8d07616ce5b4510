"""One rule of the plugin contract, and what came of holding a plugin against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.testing.subject import Subject

Kind = Literal["any", "dataset", "backbone", "augmentation", "imbalance", "engine"]
CheckState = Literal["passed", "failed", "skipped", "expected"]


class ContractBroken(AssertionError):
    """A plugin breaks a rule; the message says in a sentence what it did."""


class NotCheckable(Exception):
    """A rule that cannot be checked here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule.

    Attributes:
        name: kebab-case, unique within its kind.
        kind: what it applies to.
        reason: why the rule is there.
        remedy: what an author does about it.
        function: raises ContractBroken or NotCheckable.
    """

    name: str
    kind: Kind
    reason: str
    remedy: str
    function: Callable[[Subject], None]


def checks_of(kind: Kind) -> Callable[[str, Callable[[Subject], None], str, str], Check]:
    """Return what makes a check of that kind from name, function, reason and remedy."""

    def check(name: str, function: Callable[[Subject], None], reason: str, remedy: str) -> Check:
        return Check(name=name, kind=kind, reason=reason, remedy=remedy, function=function)

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What came of a check.

    Attributes:
        subject: kind and component, as in ``backbone squeezenet``.
        state: ``expected`` is a failure that was announced; an announced failure that passes is ``failed``.
        message: what was wrong, or why the check was skipped; empty if it passed.
    """

    check: Check
    subject: str
    state: CheckState
    message: str = ""


def require(holds: object, otherwise: str) -> None:
    """Raise ContractBroken with a sentence unless something holds."""
    if not holds:
        raise ContractBroken(otherwise)
