"""Runs that resume an earlier one, and runs that start a new attempt beside it."""

from __future__ import annotations

import json
import re
import shutil

import optuna
import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--epochs", 1, "--workers", 0, "--offline", "--backbone", "control-intensity")
RECIPE = "control-intensity+none+none"


@pytest.fixture
def run(run_here, write_images):
    write_images("images", 200, 220)

    def call(trials, *more, **environment):
        return run_here(*RUN, *QUICK, "--trials", trials, *more, **environment)

    return call


@pytest.fixture(scope="module")
def finished(make_workspace, tmp_path_factory, draw_images, tensorflow_ready):
    """Run two trials once; return the workspace and the completed process."""
    workspace = make_workspace(tmp_path_factory.mktemp("finished"))
    draw_images(workspace.folder / "images", 200, 220)
    result = workspace.call_here(*RUN, *QUICK, "--trials", 2)
    assert result.returncode == 0, result.stderr
    return workspace, result


@pytest.fixture
def resume(finished, workspace):
    """Copy the finished run, and return a function that runs more trials."""
    shutil.copytree(finished[0].folder, workspace.folder, dirs_exist_ok=True)

    def call(trials, *more):
        return workspace.call_here(*RUN, *QUICK, "--trials", trials, *more)

    return call


def attempts(workspace, out="leaderboard"):
    """Return the protocols' folders, the first attempt first."""
    return sorted(path.parent for path in (workspace.folder / out).glob("*/protocol.json"))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def journals(workspace):
    """Return how many trials each journal holds."""
    found = (workspace.folder / "leaderboard" / "studies").glob("*.journal")
    return {path.stem: path.read_bytes().count(b'"op_code":4,') for path in found}


def test_a_larger_budget_reports_finished_and_new_trials(resume, finished):
    _, first = finished
    assert "resuming" not in first.stderr
    assert "trials: 2 in" in first.stderr
    more = resume(5)
    assert f"{RECIPE}: resuming: 2 of 5 trials are done\n" in more.stderr
    assert "trials: 3 in" in more.stderr
    assert "resuming" not in resume(5).stderr  # all trials are finished


def test_a_study_whose_entry_is_missing_trains_nothing(resume, workspace):
    for path in workspace.protocol_folder().glob("entries/control-*"):
        path.unlink()
    again = resume(2)
    assert f"{RECIPE}: resuming: 2 of 2 trials are done" in again.stderr
    assert "trials: " not in again.stderr
    assert set(journals(workspace).values()) == {2}


def test_each_fold_reports_its_finished_trials(run, write_images):
    write_images("enough", 320, 340)
    flags = ("--data", "enough", "--split", "grouped", "--folds", 2)
    assert run(1, *flags).returncode == 0
    more = run(2, *flags)
    assert re.findall(r"fold \d: resuming: 1 of 2", more.stderr) == ["fold 0: resuming: 1 of 2", "fold 1: resuming: 1 of 2"]
    assert "trials: 2 in" in more.stderr


def test_fresh_starts_an_attempt_and_later_runs_resume_it(resume, workspace, run_here):
    (first,) = attempts(workspace)
    before = contents(first)
    fresh = resume(2, "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    assert f"attempt 2 in leaderboard/{first.name}-2. To resume it, run again without --fresh" in fresh.stderr
    assert "resuming" not in fresh.stderr
    assert "trials: 2 in" in fresh.stderr
    second = first.with_name(f"{first.name}-2")
    assert attempts(workspace) == [first, second]
    assert contents(first) == before
    assert contents(second)[next(first.glob("predictions/control*")).relative_to(first)] in before.values()
    assert sorted(journals(workspace).values()) == [2, 2]
    assert "trials: " not in resume(2).stderr  # the newest attempt has them
    for path in second.glob("entries/control-*"):
        path.unlink()
    assert resume(2).returncode == 0
    assert list(second.glob("entries/control-*"))
    assert contents(first) == before
    assert resume(2, "--fresh").returncode == 0
    assert [path.name.removeprefix(first.name) for path in attempts(workspace)] == ["", "-2", "-3"]
    rows = json.loads(run_here("leaderboard", "--format", "json").stdout)
    assert {row["protocol"].removeprefix(first.name) for row in rows} == {"", "-2", "-3"}
    table = run_here("leaderboard").stdout
    assert (table.count("(attempt 2)"), table.count("(attempt 3)")) == (1, 1)
    assert "(attempt 2)" in (second / "LEADERBOARD.md").read_text()
    said = run_here("show", "1").stderr
    assert f"{attempts(workspace)[-1].name}, which was written last" in " ".join(said.split())


def test_another_budget_resumes_the_newest_attempt(resume, workspace):
    assert resume(2, "--fresh").returncode == 0
    assert f"{RECIPE}: resuming: 2 of 3" in resume(3).stderr
    assert sorted((name[16:], trials) for name, trials in journals(workspace).items()) == [("", 2), ("-2", 3)]
    assert sorted(path.name[-2:] == "-2" for path in attempts(workspace)) == [False, True, True]
    assert "trials: " not in resume(2).stderr  # an attempt with this budget exists and is used
    assert len(attempts(workspace)) == 3


def test_fresh_with_nothing_before_is_the_first_attempt(run, workspace):
    assert "attempt 1 in" in run(1, "--fresh").stderr
    (folder,) = attempts(workspace)
    assert not folder.name.endswith("-2")


def test_fresh_takes_no_trials_of_an_attempt_without_a_folder(resume, workspace):
    shutil.rmtree(workspace.protocol_folder())
    fresh = resume(2, "--fresh")
    assert "attempt 2 in" in fresh.stderr
    assert "resuming" not in fresh.stderr
    assert sorted(journals(workspace).values()) == [2, 2]


def test_a_run_that_fails_before_it_starts_leaves_no_attempt(resume, workspace):
    assert resume(2, "--fresh", "--strict-data").returncode == 0
    bad = workspace.folder / "images" / "NORMAL" / "broken.jpeg"
    bad.write_bytes(b"not an image")
    before = attempts(workspace)
    assert resume(2, "--fresh", "--strict-data").returncode == 3
    assert attempts(workspace) == before
    (left,) = set(workspace.folder.glob("leaderboard/images-*")) - set(before)
    assert [path.name for path in left.iterdir()] == ["skipped.csv"]


@pytest.mark.long
def test_what_reads_leaderboards_reads_any_attempt(run, workspace, run_here):
    more = ("--backbone", "texture", "--imbalance", "class-weights")
    pair = ("texture+none+none", "texture+none+class-weights")
    assert run(1, *more).returncode == 0
    assert run(1, *more, "--fresh").returncode == 0
    first, second = attempts(workspace)
    before = contents(first)
    compared = json.loads(run_here("compare", *pair, "--json").stdout)
    assert {row["protocol"] for row in compared} == {first.name, second.name}
    assert run_here("ensemble").returncode == 2
    assert run_here("ensemble", *pair, "--protocol", second.name).returncode == 0
    assert len(list(second.glob("entries/ensemble*"))) == 1
    assert contents(first) == before
    assert run_here("reproduce", second / "entries" / "control-intensity+none+none.json", "--data", "images").returncode == 0


def test_reproducing_takes_no_trials_from_a_database(run, workspace, run_here):
    url = f"sqlite:///{workspace.folder / 'studies.db'}"
    first = run(2, CXRBENCH_STORAGE=url)
    assert first.returncode == 0
    assert "resuming" not in first.stderr
    assert journals(workspace) == {}
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name=None, storage=storage)
    assert sorted(trial.user_attrs["number"] for trial in study.trials) == [0, 1]
    storage.engine.dispose()
    (entry,) = workspace.protocol_folder().glob("entries/control-*.json")
    again = run_here("reproduce", entry, "--data", "images", "--workers", 0, CXRBENCH_STORAGE=url)
    assert again.returncode == 0, again.stdout
    assert "resuming" not in again.stderr
    assert "trials: 2 in" in again.stderr


def test_fresh_takes_no_trials_from_a_shared_database(run, workspace):
    storage = ("--storage", f"sqlite:///{workspace.folder / 'studies.db'}")
    assert run(2, *storage).returncode == 0
    shared = run(2, *storage, "--out", "elsewhere")
    assert f"{RECIPE}: resuming: 2 of 2" in shared.stderr
    fresh = run(2, *storage, "--out", "third", "--fresh")
    assert "attempt 2 in" in fresh.stderr
    assert "trials: 2 in" in fresh.stderr


def test_a_damaged_journal_fails_only_its_recipe(resume, workspace):
    (path,) = workspace.folder.glob("leaderboard/studies/*.journal")
    path.write_bytes(path.read_bytes().replace(b'{"op_code":4', b'{"op_code":4!'))
    both = resume(3, "--backbone", "control-border", "--json")
    assert both.returncode == 1
    rows = {row["backbone"]: row for row in json.loads(both.stdout) if row["kind"] == "recipe"}
    assert rows["control-border"]["status"] == "complete"
    assert re.fullmatch(rf"\S*{path.name} is damaged: .* repeat its trials", rows["control-intensity"]["reason"])
