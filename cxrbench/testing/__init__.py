"""The conformance kit: the rules that every plugin must keep, as checks for plugin authors and for our own tests."""

from cxrbench.testing.check import Check, CheckResult
from cxrbench.testing.outcome import ContractBroken, NotCheckable
from cxrbench.testing.parametrize import parametrize_with_checks
from cxrbench.testing.run import checks_for, run_checks

__all__ = [
    "Check",
    "CheckResult",
    "ContractBroken",
    "NotCheckable",
    "checks_for",
    "parametrize_with_checks",
    "run_checks",
]
