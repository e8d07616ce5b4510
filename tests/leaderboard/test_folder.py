from __future__ import annotations

import json

import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.folder import ProtocolFolder

STUDY = "a" * 64


@pytest.fixture
def folder(make_protocol, tmp_path):
    return ProtocolFolder(out=tmp_path / "out", protocol=make_protocol())


@pytest.fixture
def finish(folder, make_entry):
    """Write down a recipe's entry, and its predictions unless told otherwise."""

    def write(recipe, auc=0.9, *, predictions=True, **given):
        folder.add(recipe, make_entry("texture", auc, **{"recipe": str(recipe), "study": STUDY, **given}))
        if predictions:
            folder.predictions(recipe).parent.mkdir(parents=True, exist_ok=True)
            folder.predictions(recipe).write_text("set,fold,seed,key,patient,label,score\n", encoding="utf-8")

    return write


def test_only_a_complete_entry_of_the_same_study_is_finished(folder, finish, recipes):
    recipe, other = recipes
    assert not folder.finished(recipe, STUDY)
    finish(recipe)
    assert folder.finished(recipe, STUDY)
    assert not folder.finished(recipe, "b" * 64)
    assert not folder.finished(other, STUDY)


@pytest.mark.parametrize("status", ["failed", "unavailable"])
def test_an_entry_that_is_not_complete_is_tried_again(folder, finish, recipes, status):
    finish(recipes[0], None, status=status)
    assert not folder.finished(recipes[0], STUDY)


def test_an_entry_without_its_predictions_is_not_finished(folder, finish, recipes):
    finish(recipes[0], predictions=False)
    assert not folder.finished(recipes[0], STUDY)


def test_a_broken_entry_is_named(folder, finish, recipes):
    finish(recipes[0])
    (path,) = (folder.path / "entries").iterdir()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CxrbenchError, match=r"texture\+none\+none\.json is no entry"):
        folder.finished(recipes[0], STUDY)


def test_closing_reads_the_entries_and_writes_the_tables(folder, finish, recipes, make_protocol):
    folder.begin()
    assert json.loads((folder.path / "protocol.json").read_text(encoding="utf-8"))["schema_version"] == 1
    finish(recipes[0], 0.8)
    finish(recipes[1], 0.9)
    board = folder.close()
    assert board.protocol == make_protocol()
    assert [row["recipe"] for row in board.rows()] == ["texture+none+smote:k_neighbors=3", "texture+none+none"]
    names = {file.relative_to(folder.path).parts[0] for file in folder.path.rglob("*")}
    assert names == {"protocol.json", "LEADERBOARD.md", "leaderboard.csv", "entries", "predictions"}
    assert len(list((folder.path / "entries").iterdir())) == 2


def test_file_names_are_plain_and_differ_where_recipes_do(folder, recipes):
    names = [folder.predictions(recipe).name for recipe in recipes]
    assert names[0] == "texture+none+none.csv"
    assert names[1].startswith("texture+none+smote-k_neighbors=3".replace("_", "-"))
    assert len(set(names)) == 2


def test_a_study_outlives_the_budget_but_not_the_seed(make_protocol, tmp_path):
    small, large, other = (make_protocol(trials=50), make_protocol(trials=100), make_protocol(seed=1))
    assert small.name != large.name
    assert small.study_identity == large.study_identity != other.study_identity
    paths = {ProtocolFolder(out=tmp_path, protocol=protocol).study(protocol.study_identity) for protocol in (small, large)}
    assert len(paths) == 1
    assert next(iter(paths)).parent == tmp_path / "studies"


def test_what_could_not_be_had_this_time_does_not_replace_what_was_finished(folder, finish, make_entry, recipes):
    recipe, other = recipes
    folder.begin()
    finish(recipe)
    folder.add(recipe, make_entry("texture", recipe=str(recipe), status="unavailable", reason="no weights"))
    folder.add(other, make_entry("vgg16", recipe=str(other), status="unavailable", reason="no weights"))
    assert {entry.recipe: entry.status for entry in folder.close().entries} == {
        str(recipe): "complete",
        str(other): "unavailable",
    }
