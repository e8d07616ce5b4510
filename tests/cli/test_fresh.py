"""Runs that go on where another one stopped, and runs that start over beside it."""

from __future__ import annotations

import json
import re
import shutil

import optuna
import pytest

RUN = ("run", "--data", "films", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--epochs", 1, "--workers", 0, "--offline", "--backbone", "control-intensity")
RECIPE = "control-intensity+none+none"


@pytest.fixture
def run(here, films):
    films("films", 320, 340)

    def call(trials, *more):
        return here(*RUN, *QUICK, "--trials", trials, *more)

    return call


def attempts(place, out="leaderboard"):
    """Return the protocols' folders, the first attempt first."""
    return sorted(path.parent for path in (place.folder / out).glob("*/protocol.json"))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def journals(place):
    """Return how many trials each journal holds."""
    found = (place.folder / "leaderboard" / "studies").glob("*.journal")
    return {path.stem: path.read_bytes().count(b'"op_code":4,') for path in found}


def test_a_larger_budget_says_what_is_done_and_counts_what_it_does(run):
    first = run(2)
    assert first.returncode == 0
    assert "resuming" not in first.stderr
    assert "trials: 2 in" in first.stderr
    more = run(5)
    assert f"{RECIPE}: resuming: 2 of 5 trials are done\n" in more.stderr
    assert "trials: 3 in" in more.stderr
    assert "resuming" not in run(5).stderr  # all is there


def test_a_study_whose_entry_is_missing_trains_nothing(run, place):
    assert run(2).returncode == 0
    for path in place.protocol_folder().glob("entries/control-*"):
        path.unlink()
    again = run(2)
    assert f"{RECIPE}: resuming: 2 of 2 trials are done" in again.stderr
    assert "trials: " not in again.stderr
    assert set(journals(place).values()) == {2}


def test_of_several_folds_each_says_what_is_done(run):
    assert run(1, "--split", "grouped", "--folds", 2).returncode == 0
    more = run(2, "--split", "grouped", "--folds", 2)
    assert re.findall(r"fold \d: resuming: 1 of 2", more.stderr) == ["fold 0: resuming: 1 of 2", "fold 1: resuming: 1 of 2"]
    assert "trials: 2 in" in more.stderr


def test_fresh_starts_over_beside_the_old_and_the_newest_goes_on(run, place, here):
    assert run(2).returncode == 0
    (first,) = attempts(place)
    before = contents(first)
    fresh = run(2, "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert f"attempt 2, in leaderboard/{first.name}-2: the same command without --fresh goes on with it" in fresh.stderr
    assert "resuming" not in fresh.stderr
    assert "trials: 2 in" in fresh.stderr
    second = first.with_name(f"{first.name}-2")
    assert attempts(place) == [first, second]
    assert contents(first) == before
    assert contents(second)[next(first.glob("predictions/control*")).relative_to(first)] in before.values()
    assert sorted(journals(place).values()) == [2, 2]
    assert "trials: " not in run(2).stderr  # the newest has them
    for path in second.glob("entries/control-*"):
        path.unlink()
    assert run(2).returncode == 0
    assert list(second.glob("entries/control-*"))
    assert contents(first) == before
    assert run(2, "--fresh").returncode == 0
    assert [path.name.removeprefix(first.name) for path in attempts(place)] == ["", "-2", "-3"]
    rows = json.loads(here("leaderboard", "--format", "json").stdout)
    assert {row["protocol"].removeprefix(first.name) for row in rows} == {"", "-2", "-3"}
    table = here("leaderboard").stdout
    assert (table.count("(attempt 2)"), table.count("(attempt 3)")) == (1, 1)
    assert "(attempt 2)" in (second / "LEADERBOARD.md").read_text()
    of_each = here("show", "1").stderr.splitlines()[1:]
    assert [line.split("/")[1] for line in of_each] == [path.name for path in attempts(place)]


def test_another_budget_goes_on_with_the_newest_attempt(run, place):
    assert run(1).returncode == 0
    assert run(1, "--fresh").returncode == 0
    assert f"{RECIPE}: resuming: 1 of 3" in run(3).stderr
    assert sorted((name[16:], trials) for name, trials in journals(place).items()) == [("", 1), ("-2", 3)]
    assert sorted(path.name[-2:] == "-2" for path in attempts(place)) == [False, True, True]
    assert "trials: " not in run(1).stderr  # and what was finished under one of its own goes on there
    assert len(attempts(place)) == 3


def test_fresh_with_nothing_before_is_the_first_attempt(run, place):
    assert "attempt 1, in" in run(1, "--fresh").stderr
    (folder,) = attempts(place)
    assert not folder.name.endswith("-2")


def test_fresh_takes_no_trials_of_an_attempt_whose_folder_is_gone(run, place):
    assert run(1).returncode == 0
    shutil.rmtree(place.protocol_folder())
    fresh = run(1, "--fresh")
    assert "attempt 2, in" in fresh.stderr
    assert "resuming" not in fresh.stderr
    assert sorted(journals(place).values()) == [1, 1]


def test_a_run_that_ends_before_it_begins_leaves_no_attempt_but_says_what_was_wrong(run, place):
    assert run(1).returncode == 0
    assert run(1, "--fresh", "--strict-data").returncode == 0
    bad = place.folder / "films" / "NORMAL" / "broken.jpeg"
    bad.write_bytes(b"no film")
    before = attempts(place)
    assert run(1, "--fresh", "--strict-data").returncode == 3
    assert attempts(place) == before
    (left,) = set(place.folder.glob("leaderboard/films-*")) - set(before)
    assert [path.name for path in left.iterdir()] == ["skipped.csv"]


@pytest.mark.long
def test_what_reads_leaderboards_reads_any_attempt(run, place, here):
    more = ("--backbone", "texture", "--imbalance", "class-weights")
    pair = ("texture+none+none", "texture+none+class-weights")
    assert run(1, *more).returncode == 0
    assert run(1, *more, "--fresh").returncode == 0
    first, second = attempts(place)
    before = contents(first)
    compared = json.loads(here("compare", *pair, "--json").stdout)
    assert {row["protocol"] for row in compared} == {first.name, second.name}
    assert here("ensemble").returncode == 2
    assert here("ensemble", *pair, "--protocol", second.name).returncode == 0
    assert len(list(second.glob("entries/ensemble*"))) == 1
    assert contents(first) == before
    assert here("reproduce", second / "entries" / "control-intensity+none+none.json", "--data", "films").returncode == 0


def test_reproducing_takes_no_trials_from_a_database(run, place, here, monkeypatch):
    url = f"sqlite:///{place.folder / 'studies.db'}"
    monkeypatch.setenv("CXRBENCH_STORAGE", url)
    assert run(2).returncode == 0
    assert journals(place) == {}
    study = optuna.load_study(study_name=None, storage=url)
    assert sorted(trial.user_attrs["number"] for trial in study.trials) == [0, 1]
    study._storage.remove_session()
    study._storage._backend.engine.dispose()
    (entry,) = place.protocol_folder().glob("entries/control-*.json")
    again = here("reproduce", entry, "--data", "films", "--workers", 0)
    assert again.returncode == 0, again.stdout
    assert "resuming" not in again.stderr
    assert "trials: 2 in" in again.stderr


def test_fresh_takes_no_trials_from_a_database_that_other_folders_share(run, place):
    storage = ("--storage", f"sqlite:///{place.folder / 'studies.db'}")
    assert run(2, *storage).returncode == 0
    shared = run(2, *storage, "--out", "elsewhere")
    assert f"{RECIPE}: resuming: 2 of 2" in shared.stderr
    fresh = run(2, *storage, "--out", "third", "--fresh")
    assert "attempt 2, in" in fresh.stderr
    assert "trials: 2 in" in fresh.stderr


def test_a_damaged_journal_costs_its_recipe_and_the_others_go_on(run, place):
    assert run(1).returncode == 0
    (path,) = place.folder.glob("leaderboard/studies/*.journal")
    path.write_bytes(path.read_bytes().replace(b'{"op_code":4', b'{"op_code":4!'))
    both = run(2, "--backbone", "control-border", "--json")
    assert both.returncode == 1
    rows = {row["backbone"]: row for row in json.loads(both.stdout) if row["kind"] == "recipe"}
    assert rows["control-border"]["status"] == "complete"
    assert re.fullmatch(rf"\S*{path.name} is damaged: .* searched anew", rows["control-intensity"]["reason"])
