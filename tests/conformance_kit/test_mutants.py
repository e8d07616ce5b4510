"""Each file in mutants/ breaks one rule, named in its first line, and exactly that check fails."""

import re
from pathlib import Path

import pytest

from cxrbench.testing import checks_for, run_checks

MUTANTS = sorted((Path(__file__).parent / "mutants").glob("*.py"))
KINDS = ("dataset", "backbone", "augmentation", "imbalance", "engine")
pytestmark = pytest.mark.usefixtures("tensorflow_ready")


def rule_of(mutant):
    return re.match(r'"""Breaks `([a-z0-9-]+)`: ', mutant.read_text())[1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.stem for mutant in MUTANTS])
def test_only_the_broken_rule_is_reported(mutant):
    results = run_checks(mutant)
    assert {result.check.name: result.message for result in results if result.state == "failed"}.keys() == {rule_of(mutant)}
    (failed,) = [result for result in results if result.state == "failed"]
    assert failed.message.strip()


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_mutant_of_its_own(kind):
    own = {check.name for check in checks_for(kind) if check.kind == kind}
    anys = {check.name for check in checks_for(kind) if check.kind == "any"}
    of_kind = {rule_of(mutant) for mutant in MUTANTS if mutant.stem.startswith(kind)}
    of_any = {rule_of(mutant) for mutant in MUTANTS if not mutant.stem.startswith(KINDS)}
    assert own == of_kind
    assert anys == of_any


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_has_a_reason_and_a_remedy(kind):
    checks = checks_for(kind)
    names = [check.name for check in checks]
    assert len(names) == len(set(names))
    assert all(check.reason and check.remedy and re.fullmatch(r"[a-z-]+", check.name) for check in checks)
