from __future__ import annotations

import json

import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.folder import ProtocolFolder

STUDY, RECIPE, OTHER = "s" * 64, "texture+none+none", "vgg16+none+none"


@pytest.fixture
def finish(folder, compete):
    """Write down a recipe's entry and its predictions."""

    def write(backbone="texture", distance=2.0, **given):
        folder.write_protocol()
        competitor = compete(backbone, distance, **given)
        competitor.write(folder)
        return competitor.entry

    return write


@pytest.fixture
def score_external(folder):
    def write(entry, *, name="elsewhere", fingerprint="e" * 64, selections=None):
        folder.add_external(
            entry.recipe,
            ExternalResult(
                name=name,
                dataset="other",
                fingerprint=fingerprint,
                negative=3,
                positive=5,
                recipe=entry.recipe,
                selections=entry.selections if selections is None else selections,
                metrics={"auc": 0.75},
                intervals={"auc": (0.5, 0.9)},
            ),
        )

    return write


def test_only_a_complete_entry_of_the_same_study_is_finished(folder, finish):
    assert not folder.is_finished(RECIPE, STUDY, {})
    finish()
    assert folder.is_finished(RECIPE, STUDY, {})
    assert not folder.is_finished(RECIPE, "b" * 64, {})
    assert not folder.is_finished(OTHER, STUDY, {})


@pytest.mark.parametrize("status", ["failed", "unavailable"])
def test_an_entry_that_is_not_complete_is_tried_again(folder, finish, status):
    finish(status=status, reason="no")
    assert not folder.is_finished(RECIPE, STUDY, {})


def test_an_entry_without_its_predictions_is_not_finished(folder, finish):
    finish()
    folder.predictions(RECIPE).unlink()
    assert not folder.is_finished(RECIPE, STUDY, {})


def test_an_entry_is_finished_with_all_external_sets_scored(folder, finish, score_external):
    entry = finish()
    wanted = {"elsewhere": "e" * 64}
    assert not folder.is_finished(RECIPE, STUDY, wanted)
    score_external(entry)
    assert folder.is_finished(RECIPE, STUDY, wanted)
    assert not folder.is_finished(RECIPE, STUDY, {"elsewhere": "0" * 64})
    assert not folder.is_finished(RECIPE, STUDY, {**wanted, "nowhere": "e" * 64})
    score_external(entry, selections=("of other heads",))
    assert not folder.is_finished(RECIPE, STUDY, wanted)
    assert folder.is_finished(RECIPE, STUDY, {})


def test_external_results_lie_below_the_protocol_and_are_columns(folder, finish, score_external):
    first, second = finish("texture"), finish("vgg16")
    score_external(first)
    score_external(second, selections=("of other heads",))
    path = folder.path / "external" / "elsewhere" / f"{first.recipe}.json"
    assert json.loads(path.read_text(encoding="utf-8"))["metrics"] == {"auc": 0.75}
    rows = {row["recipe"]: row for row in publish(folder).records()}
    assert [rows[RECIPE][f"external_elsewhere_auc{end}"] for end in ("", "_low", "_high")] == [0.75, 0.5, 0.9]
    assert rows[OTHER]["external_elsewhere_auc"] is None  # what other heads came to is not this entry's
    assert rows[RECIPE]["auc"] == first.metrics["auc"]


def test_a_broken_external_result_is_named(folder, finish, score_external):
    score_external(finish())
    path = folder.external("elsewhere", RECIPE)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(CxrbenchError, match=r"elsewhere/texture\+none\+none\.json is not a valid external result"):
        publish(folder)


def test_a_broken_entry_is_named(folder, finish):
    finish()
    (path,) = (folder.path / "entries").iterdir()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CxrbenchError, match=r"texture\+none\+none\.json is not a valid entry"):
        folder.is_finished(RECIPE, STUDY, {})


def test_publishing_reads_the_entries_and_writes_the_tables(folder, finish, make_protocol):
    finish("texture", 1.0)
    finish("vgg16", 3.0)
    board = publish(folder)
    assert json.loads((folder.path / "protocol.json").read_text(encoding="utf-8"))["schema_version"] == 2
    assert board.protocol == make_protocol()
    assert [row["recipe"] for row in board.records()] == [OTHER, RECIPE]
    names = {file.relative_to(folder.path).parts[0] for file in folder.path.rglob("*")}
    assert names == {"protocol.json", "LEADERBOARD.md", "leaderboard.csv", "index.html", "entries", "predictions"}
    assert len(list((folder.path / "entries").iterdir())) == 2


def test_a_study_outlives_the_budget_but_not_the_seed(make_protocol, tmp_path):
    small, large, other = (make_protocol(trials=50), make_protocol(trials=100), make_protocol(seed=1))
    assert small.name != large.name
    assert small.study_identity == large.study_identity != other.study_identity
    paths = {ProtocolFolder(out=tmp_path, protocol=protocol).study(protocol.study_identity) for protocol in (small, large)}
    assert len(paths) == 1
    assert next(iter(paths)).parent == tmp_path / "studies"


@pytest.mark.parametrize("status", ["failed", "unavailable"])
def test_what_is_not_complete_does_not_replace_what_is(folder, finish, make_entry, status):
    finished = finish()
    folder.add(RECIPE, make_entry("texture", recipe=RECIPE, status=status, reason="not this time"))
    folder.add(OTHER, make_entry("vgg16", recipe=OTHER, imbalance="none", status=status, reason="not this time"))
    found = {entry.recipe: entry for entry in publish(folder).entries}
    assert found[RECIPE] == finished
    assert found[OTHER].status == status


def test_what_is_complete_at_last_replaces_what_failed(folder, finish, make_entry):
    folder.add(RECIPE, make_entry("texture", recipe=RECIPE))
    finished = finish()
    assert publish(folder).entries == (finished,)
