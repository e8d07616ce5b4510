"""Fixtures for runs that are killed, run concurrently or run out of space: a small run and its expected result."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest

from cxrbench.leaderboard.board import read_board
from cxrbench.leaderboard.report.page import board_as_html

RUN = (
    *("run", "--image-size", "32", "--backbone", "random-convnet", "--backbone", "control-border", "--no-controls"),
    *("--augmentation", "gentle:views=1", "--imbalance", "none", "--imbalance", "smote"),
    *("--trials", "5", "--epochs", "2", "--folds", "2", "--offline"),
)
TRIALS, STUDIES = 5, 2 * 4
"""Trials of a study; studies: two folds of four recipes."""


@pytest.fixture(scope="session")
def small(long, draw_images, tmp_path_factory):
    """Return the command of a small run with folds, an external test set and augmented views."""
    folder = tmp_path_factory.mktemp("data")
    images = draw_images(folder / "images", 290, 290, difference=1)
    ward = draw_images(folder / "ward", 30, 30, difference=1, seed=1)
    return (*RUN, "--data", images, "--external", f"ward={ward}", "--workers", 2 if long else 1)


@dataclass(frozen=True)
class Uninterrupted:
    """The result of the small run without interruption, and its bytes on disk."""

    results: dict
    trials: dict
    size: int


@pytest.fixture(scope="session")
def uninterrupted(small, make_workspace, tmp_path_factory, tensorflow_ready):
    """Run the small run without interruption."""
    workspace = make_workspace(tmp_path_factory.mktemp("uninterrupted"))
    done = workspace.call_here(*small, "--workers", "0")
    assert done.returncode == 0, done.stderr
    size = sum(4096 + path.stat().st_size for path in workspace.folder.rglob("*"))
    return Uninterrupted(results_of(workspace), trials_of(workspace), size)


@pytest.fixture(scope="session")
def same_result(uninterrupted):
    """Return a function that asserts the results of the uninterrupted run and the budget of trials."""

    def check(workspace):
        assert results_of(workspace) == uninterrupted.results
        assert trials_of(workspace) == uninterrupted.trials
        assert [len(numbers) for numbers in trials_of(workspace).values()] == [TRIALS] * STUDIES

    return check


def results_of(workspace):
    """Return the files in the protocol's folder of a run, without the seconds in them."""
    folder = workspace.protocol_folder()
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            found[path.relative_to(folder).as_posix()] = _without_seconds(path)
    return found


def _without_seconds(path):
    if path.parent.name == "entries":
        return json.loads(path.read_bytes(), object_hook=lambda one: {name: one[name] for name in one if name != "seconds"})
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    if path.suffix == ".html":  # shows seconds: it must be the page of the entries beside it
        return path.read_text(encoding="utf-8") == board_as_html(read_board(path.parent))
    return path.read_bytes()


def trials_of(workspace):
    """Return the recorded trials of each study, sorted by number: number, parameters, value and losses."""
    found = {}
    for path in sorted((workspace.folder / "leaderboard" / "studies").glob("*.journal")):
        logs = [json.loads(line) for line in path.read_text().splitlines()]
        trials = [log for log in logs if log["op_code"] == 4]
        found[path.name] = sorted(
            (log["user_attrs"]["number"], log["params"], log["value"], log["user_attrs"]["losses"]) for log in trials
        )
    return found
