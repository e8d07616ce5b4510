"""Identities: what they depend on, and that a new or renamed field orphans nobody's results."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cxrbench.config import identity
from cxrbench.config.component import Component
from cxrbench.config.identity import CanonicalForm, canonical_text
from cxrbench.config.part import bind
from cxrbench.config.protocol import ALWAYS_RECORDED, FORM, Protocol
from cxrbench.config.split_name import column_of, left_out_by
from cxrbench.plugin import specs
from cxrbench.plugin.host import KINDS
from cxrbench.storage.files import digest

PROTOCOL = {
    "dataset": "phantom",
    "fingerprint": "f" * 64,
    "split": "grouped",
    "image_size": 224,
    "resize": "stretch",
    "seed": 0,
    "engine": "optuna",
    "trials": 50,
    "metric": "auc",
    "threshold": "max-f1",
    "epochs": 10,
    "batch_size": 64,
    "patience": 3,
}


CHANGED = {
    **{"fingerprint": "1" * 64, "split": "paper", "image_size": 96, "resize": "pad", "precision": "bfloat16"},
    **{"seed": 1, "seeds": 2, "folds": 2, "engine": "optuna:sampler=random", "trials": 51, "generation": 7},
    **{"metric": "f1", "threshold": "youden", "also_at": (0.7,), "prevalence": 0.2},
    **{"epochs": 11, "batch_size": 65, "patience": 4, "pruning": "median", "select": "robust", "calibrate": "temperature"},
}
"""Another value of each field."""
BUDGET_OR_AFTER_A_STUDY = {"trials", "seeds", "calibrate", "also_at", "prevalence"}


class LaterProtocol(Protocol):
    """A protocol of a later version, with a new field."""

    stages: str = "head"


def test_names_and_studies_are_those_of_the_first_release():
    protocol = Protocol(**PROTOCOL)
    assert protocol.name == "phantom-grouped-73922a69"
    assert protocol.study_identity == "042522e8535674df627152d10927d17fb57d5ada0733e5f4128daafae822f324"
    then = protocol.model_dump(exclude={"select", "calibrate"})  # which was hashed before there were canonical forms
    assert digest(FORM.of(protocol)) == digest(then)


def test_a_new_field_with_a_default_changes_no_identity():
    protocol, later = Protocol(**PROTOCOL), LaterProtocol(**PROTOCOL)
    assert (later.name, later.study_identity) == (protocol.name, protocol.study_identity)
    other = LaterProtocol(**PROTOCOL, stages="fine-tuned")
    assert other.name != protocol.name
    assert other.study_identity != protocol.study_identity


def test_a_renamed_field_keeps_its_spelling():
    class Renamed(Protocol):
        attempts: int = 50

    form = CanonicalForm(
        version=2, spelled_out={**{n: k for n, k in FORM.spelled_out.items() if n != "trials"}, "attempts": "trials"}
    )
    renamed = Renamed(**PROTOCOL)
    assert form.of(renamed, leave_out={"trials"}) == FORM.of(Protocol(**PROTOCOL))


@pytest.mark.parametrize(("field", "value"), CHANGED.items())
def test_everything_that_the_protocol_holds_is_part_of_its_name(field, value):
    protocol, changed = Protocol(**PROTOCOL), Protocol(**PROTOCOL | {field: value})
    assert changed.name != protocol.name == protocol.model_copy().name
    assert (changed.study_identity == protocol.study_identity) == (field in BUDGET_OR_AFTER_A_STUDY)


def test_every_field_is_changed_by_the_tests_of_the_name():
    assert CHANGED.keys() == Protocol.model_fields.keys() - {"dataset", "schema_version", "notice", "left_out"}
    assert Protocol(**PROTOCOL, notice="other words").study_identity == Protocol(**PROTOCOL).study_identity


LEFT_OUT = PROTOCOL | {"split": "left-out:by=site", "folds": 2, "left_out": ("A", "B")}


def test_the_groups_that_are_left_out_are_part_of_the_name_and_of_the_study():
    protocol, other = Protocol(**LEFT_OUT), Protocol(**LEFT_OUT | {"left_out": ("A", "C")})
    assert protocol.name.startswith("phantom-left-out-by-site-")
    assert protocol.name != other.name
    assert protocol.study_identity != other.study_identity
    assert Protocol.model_validate_json(protocol.model_dump_json(), strict=True) == protocol
    assert "left_out" not in Protocol(**PROTOCOL).model_dump()


@pytest.mark.parametrize("change", [{"folds": 3}, {"left_out": ()}, {"left_out": ("A", "A")}, {"split": "grouped"}])
def test_a_protocol_names_one_group_for_each_fold(change):
    with pytest.raises(ValueError, match=r"split \S+ with \d folds names \d groups"):
        Protocol(**LEFT_OUT | change)


@given(st.text(min_size=1, max_size=200))
def test_the_name_of_a_protocol_is_a_file_name_for_any_column(column):
    assume(column.strip())
    changed = {"split": left_out_by(column)}
    assert column_of(changed["split"]) == " ".join(column.split()).casefold()
    assert re.fullmatch(r"phantom-left-out-by[A-Za-z0-9-]{0,30}-[0-9a-f]{8}", Protocol(**LEFT_OUT | changed).name)


@given(st.text(max_size=200))
def test_the_name_of_a_protocol_is_a_file_name_for_any_data(dataset):
    name = Protocol(**PROTOCOL | {"dataset": dataset}).name
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,120}", name)
    assert not name.startswith("-")


def test_a_searched_threshold_unseen_by_the_metric_is_warned_of():
    searched = Protocol(**PROTOCOL | {"threshold": "search"})
    assert "--metric f1" in " ".join(searched.warnings)
    assert not searched.model_copy(update={"metric": "f1"}).warnings
    assert not Protocol(**PROTOCOL).warnings


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_declarations_are_spelled_as_they_were(host, kind):
    added = {"seen": (), "may_claim": ""}  # newer than the form: they count where they say something
    for declaration in host.declarations(kind):
        there = {name: empty for name, empty in added.items() if hasattr(declaration.spec, name)}
        then = replace(declaration.spec, **there)
        spelled = "".join(f", {name}={empty!r}" for name, empty in there.items())
        assert canonical_text(then) == repr(then).replace(spelled, "")
        for name, empty in there.items():
            assert (f" {name}=" in canonical_text(declaration.spec)) == (getattr(declaration.spec, name) != empty)


def test_values_inside_a_declaration_are_spelled_as_they_were():
    space = {"depth": specs.Int(low=1, high=3), "pooling": specs.Choice(options=("avg", "max"), when=(("depth", (1, 2)),))}
    spec = specs.Imbalance(name="x", factory="a:b", fixed={"text": "it's", "flag": True}, requires=("one",), space=space)
    assert canonical_text(spec) == repr(spec)


def test_a_new_field_of_a_declaration_counts_only_if_it_is_set(host, monkeypatch):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class LaterBackbone(specs.Backbone):
        stages: tuple[str, ...] = ()
        notes: dict[str, str] = field(default_factory=dict)

    monkeypatch.setitem(identity.DECLARATIONS, LaterBackbone, identity.DECLARATIONS[specs.Backbone])
    declaration = host.find(specs.Backbone, "texture")
    values = {name: getattr(declaration.spec, name) for name in identity.DECLARATIONS[specs.Backbone]}
    later = LaterBackbone(**values)
    assert canonical_text(later).partition("(")[2] == canonical_text(declaration.spec).partition("(")[2]
    assert canonical_text(replace(later, stages=("head",))) != canonical_text(later)
    component = Component(name="texture")
    assert bind(component, declaration).identity.startswith("texture|Backbone(name='texture', factory=")


@pytest.mark.parametrize("name", ALWAYS_RECORDED)
def test_a_default_does_not_stand_in_for_a_missing_value(name):
    with pytest.raises(ValueError, match=f"{name} missing"):
        Protocol.model_validate({key: value for key, value in PROTOCOL.items() if key != name})
