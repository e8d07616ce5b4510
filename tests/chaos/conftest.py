"""Fixtures of the chaos tests: a small run and its expected result."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import dataclass

import pytest

RUN = (
    *("run", "--data", "phantom:images=560,size=64", "--image-size", "64", "--no-controls"),
    *("--backbone", "random-convnet", "--backbone", "control-border", "--augmentation", "gentle:views=1"),
    *("--imbalance", "none", "--imbalance", "smote", "--trials", "5", "--epochs", "3", "--folds", "2"),
    *("--external", "ward=phantom:images=60,size=64,seed=5", "--offline"),
)
TRIALS, STUDIES = 5, 2 * 4
"""Trials of a study. Studies: two folds of four recipes."""


@pytest.fixture(scope="session")
def small(long):
    """Return the command of a small run with folds, an external test set and augmented views."""
    return (*RUN, "--workers", "2" if long else "1")


@dataclass(frozen=True)
class Undisturbed:
    """The result of the undisturbed small run, its time in seconds, and its size on disk in bytes."""

    results: dict
    trials: dict
    seconds: float
    size: int


@pytest.fixture(scope="session")
def undisturbed(small, place_at, tmp_path_factory):
    """Run the small run without disturbance."""
    place, start = place_at(tmp_path_factory.mktemp("undisturbed")), time.monotonic()
    done = place.call(*small)
    assert done.returncode == 0, done.stderr
    seconds, size = time.monotonic() - start, sum(4096 + path.stat().st_size for path in place.folder.rglob("*"))
    return Undisturbed(results_of(place), trials_of(place), seconds, size)


@pytest.fixture(scope="session")
def same_result(undisturbed):
    """Return a function that asserts that a place has the results and trials of the undisturbed run."""

    def check(place):
        assert results_of(place) == undisturbed.results
        assert trials_of(place) == undisturbed.trials
        assert [len(numbers) for numbers in trials_of(place).values()] == [TRIALS] * STUDIES

    return check


def results_of(place):
    """Return the files of a run in its protocol's folder, without times."""
    folder = place.protocol_folder()
    results = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            results[path.relative_to(folder).as_posix()] = _without_seconds(path)
    return results


def _without_seconds(path):
    if path.parent.name == "entries":
        return {name: value for name, value in json.loads(path.read_bytes()).items() if name != "seconds"}
    if path.suffix == ".csv" and path.parent.name not in {"predictions", "ward"}:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return path.read_bytes()


def trials_of(place):
    """Return the recorded trials of each study, sorted by number: number, parameters, value and losses."""
    studies = {}
    for path in sorted((place.folder / "leaderboard" / "studies").glob("*.journal")):
        logs = [json.loads(line) for line in path.read_text().splitlines()]
        trials = [log for log in logs if log["op_code"] == 4]
        studies[path.name] = sorted(
            (log["user_attrs"]["number"], log["params"], log["value"], log["user_attrs"]["losses"]) for log in trials
        )
    return studies
