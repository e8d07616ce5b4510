"""Each component in mutants/ breaks the rule that its summary names, and exactly that check fails."""

import re
from pathlib import Path

import pytest

from cxrbench.plugin.host import KINDS, kind_name
from cxrbench.testing import checks_for
from cxrbench.testing.run import plan_checks
from cxrbench.testing.subject import subjects_of

FILES = sorted((Path(__file__).parent / "mutants").glob("*.py"))
MUTANTS = [mutant for file in FILES for mutant in subjects_of(file)]
KIND_NAMES = [kind_name(kind) for kind in KINDS]


def rule_of(mutant):
    return mutant.part.spec.summary.removeprefix("breaks ") if mutant.part else "loads"


@pytest.mark.usefixtures("tensorflow_ready")
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_only_the_broken_rule_is_reported(mutant):
    results = [check.run() for check in plan_checks([mutant])]
    failed = {result.check.name: result.message for result in results if result.state == "failed"}
    assert failed.keys() == {rule_of(mutant)}
    assert all(message.strip() for message in failed.values())


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_every_check_has_a_mutant_of_its_own(kind):
    of_any = {check.name for check in checks_for(kind) if check.kind == "any"}
    of_kind = {check.name for check in checks_for(kind) if check.kind == kind}
    assert {rule_of(mutant) for mutant in MUTANTS if mutant.kind == kind} - of_any == of_kind
    assert {rule_of(mutant) for mutant in MUTANTS} >= of_any


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_every_check_has_a_reason_and_a_remedy(kind):
    checks = checks_for(kind)
    names = [check.name for check in checks]
    assert len(names) == len(set(names))
    assert all(check.reason and check.remedy and re.fullmatch(r"[a-z-]+", check.name) for check in checks)
