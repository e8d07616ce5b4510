"""`cxrbench show`, on a run with recipes that run out of memory."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cxrbench.benchmark.reproduce import settings_of
from cxrbench.leaderboard.store.entry_files import read_entry

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
RUN = (
    *("run", "--data", "phantom:images=360,size=32", "--image-size", 32, "--no-controls", "--offline", "--workers", 1),
    *("--augmentation", "none", "--imbalance", "none", "--imbalance", "greedy", "--trials", 8, "--epochs", 2),
    *("--plugin", PLUGINS / "good.py", "--backbone", "coarse-pixels"),
    *("--plugin", PLUGINS / "hungry.py", "--backbone", "hungry", "--backbone", "hungry:fits=0"),
)
GIVEN_UP = "coarse-pixels+none+greedy"
NO_FEATURES = "hungry:fits=0+none+none"
SMALLER_BATCHES = "hungry+none+none"


@pytest.fixture(scope="module")
def low_memory_run(tmp_path_factory, make_workspace, tensorflow_ready):
    """Run once, for all tests, recipes with enough memory, with too little, and with none; a worker keeps their output."""
    workspace = make_workspace(tmp_path_factory.mktemp("low_memory"))
    result = workspace.call_here(*RUN, "--max-failures", 3)
    assert result.returncode == 1, result.stderr
    return workspace


@pytest.fixture
def workspace(low_memory_run, tmp_path):
    """Return a copy of the run that a test may change."""
    shutil.copytree(low_memory_run.folder / "leaderboard", tmp_path / "leaderboard")
    return replace(low_memory_run, folder=tmp_path)


def facts(printed):
    """Return what was printed as a section: title to lines."""
    sections = {}
    for block in printed.strip().split("\n\n"):
        title, *lines = block.splitlines()
        sections[title] = [line.removeprefix("  ") for line in lines]
    return sections


def test_an_entry_of_failing_trials_holds_reason_params_and_log(workspace):
    entry = workspace.entries()[GIVEN_UP]
    assert (entry["status"], entry["failure"]) == ("failed", "oom")
    assert entry["reason"] == (
        "3 trials in a row failed; raise --max-failures to resume. Last failure: MemoryError: no room for another image"
    )
    assert entry["failed_params"].keys() == {"learning_rate", "dropout", "appetite"}
    assert list(entry["begun"].values()) == [{"failed": 6}]  # the whole first generation
    assert entry["log"][-1] == "MemoryError: no room for another image"


def test_failed_extractions_and_smaller_batches_are_reported(workspace):
    entries = workspace.entries()
    assert (entries[NO_FEATURES]["failure"], entries[NO_FEATURES]["failed_params"]) == ("oom", {})
    assert entries[NO_FEATURES]["reason"] == "MemoryError: 8 images are too many"
    warning = "features were extracted in batches of 8 images: 32 did not fit in memory"
    assert entries[SMALLER_BATCHES]["status"] == "complete"
    assert warning in entries[SMALLER_BATCHES]["warnings"]
    assert {name for name, entry in entries.items() if warning in entry["warnings"]} == {SMALLER_BATCHES}


def test_the_table_shows_failure_kind_and_number_of_trials(workspace):
    page = (workspace.protocol_folder() / "LEADERBOARD.md").read_text()
    rows = {line.split(" | ")[1]: line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")}
    assert rows["coarse-pixels + none + greedy"][-2:] == ["6", "failed (oom)"]
    assert rows["hungry:fits=0 + none + none"][-2:] == ["0", "failed (oom)"]
    assert rows["hungry + none + none"][-2:] == ["8", "complete"]
    assert "failure" in (workspace.protocol_folder() / "leaderboard.csv").read_text().splitlines()[0]


def test_a_failed_entry_is_explained(workspace, run_here):
    shown = facts(run_here("show", GIVEN_UP).stdout)
    assert "status: failed" in shown[GIVEN_UP]
    assert shown["failure"][0].startswith("kind: oom: it ran out of memory")
    assert shown["failure"][1].startswith("what to do: raise --max-memory")
    assert "appetite " in shown["failure"][2]
    assert shown["last lines of the log"][-1] == "MemoryError: no room for another image"
    assert shown["trials"][0] == "failed: 6"
    assert shown["trials"][1].startswith("failed, oom: trial 0, 1, 2, 3, 4, 5; the last with learning_rate ")
    assert "test images, with 95 % intervals" not in shown


def test_a_complete_entry_is_explained(workspace, run_here):
    entry = workspace.entries()["coarse-pixels+none+none"]
    shown = facts(run_here("show", "coarse-pixels + none + none").stdout)
    assert f"auc: {entry['metrics']['auc']:.4f} ({entry['intervals']['auc'][0]:.4f} to" in "\n".join(
        shown["test images, with 95 % intervals"]
    )
    (fold,) = entry["folds"]
    assert shown["selected on validation"][0].startswith(f"fold 0: trial {fold['selected_trial']}: learning_rate ")
    assert shown["selected on validation"][1].startswith(f"fold 0, seed 0: threshold {fold['heads'][0]['threshold']:.4g}; tp ")
    assert shown["trials"] == ["complete: 8"]
    assert any(line.startswith("audit: ") for line in shown["images"])
    predictions = workspace.protocol_folder() / entry["predictions"]
    assert any(line.endswith(str(predictions.relative_to(workspace.folder))) for line in shown["files"])
    assert any("cxrbench reproduce " in line and "--data" in line for line in shown["files"])
    assert any(line.startswith("keras: ") for line in shown["versions"])


def test_the_studies_of_an_entry_and_how_to_open_them_are_named(workspace, run_here):
    (shown,) = (line.split(": ") for line in studies_of(run_here, "coarse-pixels+none+none") if line.startswith("fold 0"))
    journal = workspace.folder / shown[1]
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name="coarse-pixels+none+none", storage=storage)
    assert len(study.get_trials()) == 8
    assert study.metric_names == ["validation_auc"]
    assert f"optuna-dashboard {shown[1]}    #" in studies_of(run_here, "coarse-pixels+none+none")[-1]
    assert studies_of(run_here, GIVEN_UP)[0].startswith("begun, 1: leaderboard/studies/")
    journal.unlink()
    assert studies_of(run_here, "coarse-pixels+none+none") is None


def studies_of(run_here, entry):
    return facts(run_here("show", entry).stdout).get("studies, for Optuna's own tools")


def test_an_entry_is_found_by_rank_file_and_path(workspace, run_here):
    path = workspace.protocol_folder() / "entries" / "coarse-pixels+none+none.json"
    by_path = run_here("show", path, "--json")
    assert json.loads(by_path.stdout) == json.loads(path.read_text())
    assert run_here("show", path.stem, "--json").stdout == by_path.stdout
    rows = json.loads(run_here("leaderboard", "--format", "json").stdout)
    first = next(row["recipe"] for row in rows if row["rank"] == 1)
    assert json.loads(run_here("show", 1, "--json").stdout)["recipe"] == first


def test_a_missing_or_ambiguous_entry_is_an_error_with_a_hint(workspace, run_here):
    unknown = run_here("show", "coarse-pixel+none+none")
    assert unknown.returncode == 2
    assert "did you mean coarse-pixels+none+none" in unknown.stderr
    assert "has rank 99. Known ranks: 1, 2" in run_here("show", 99).stderr
    assert "nowhere.json: file not found" in run_here("show", "nowhere.json").stderr
    assert "no entries here" in run_here("show", "x", "--out", "elsewhere").stderr
    folder = workspace.protocol_folder()
    twin = folder.with_name("twin")
    (twin / "entries").mkdir(parents=True)
    shutil.copy(folder / "entries" / "coarse-pixels+none+none.json", twin / "entries")
    twice = run_here("show", "coarse-pixels+none+none")
    assert twice.returncode == 2
    assert "matches 2 entries" in twice.stderr
    assert twice.stderr.count("entries/coarse-pixels+none+none.json") == 2


def test_an_entry_without_studies_is_explained_from_its_file(workspace, run_here):
    shutil.rmtree(workspace.folder / "leaderboard" / "studies")
    shown = facts(run_here("show", GIVEN_UP).stdout)
    assert shown["trials"] == ["failed: 6"]
    assert not (workspace.folder / "leaderboard" / "studies").exists()


def test_foreign_text_is_shown_as_it_is(workspace, run_here):
    path = workspace.protocol_folder() / "entries" / f"{GIVEN_UP}.json"
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "reason": "[bold]loud[/] [/] :smile:"}))
    assert "reason: [bold]loud[/] [/] :smile:" in facts(run_here("show", path).stdout)[GIVEN_UP]


@pytest.mark.long
def test_a_rerun_changes_nothing_and_a_higher_limit_resumes(low_memory_run, tmp_path):
    workspace = replace(low_memory_run, folder=tmp_path / "again")
    shutil.copytree(low_memory_run.folder, workspace.folder)
    before = workspace.entries()[GIVEN_UP]
    assert workspace.call(*RUN, "--max-failures", 3).returncode == 1
    assert workspace.entries()[GIVEN_UP] == before
    assert workspace.call(*RUN, CXRBENCH_MAX_FAILURES="100").returncode == 1
    after = workspace.entries()[GIVEN_UP]
    assert after["reason"] == "none of 8 trials completed: MemoryError: no room for another image"
    assert list(after["begun"].values()) == [{"failed": 8}]


def test_an_entry_with_failed_trials_can_be_reproduced(workspace):
    path = workspace.protocol_folder() / "entries" / "coarse-pixels+none+none.json"
    assert settings_of(read_entry(path), {}).max_failures == 8
