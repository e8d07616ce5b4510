"""The conformance kit: the rules that every plugin is held against, for its author's tests and for ours."""

from cxrbench.testing.check import Check, CheckResult, ContractBroken, NotCheckable
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
