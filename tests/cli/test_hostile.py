"""Six hostile plugins beside a good one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
HOSTILE = PLUGINS / "hostile"
RUN = (
    *("run", "--data", "images", "--image-size", 64, "--no-controls", "--offline"),
    *("--augmentation", "none", "--imbalance", "none", "--trials", 2, "--epochs", 2),
    *("--plugin", PLUGINS / "good.py", "--backbone", "coarse-pixels"),
)
LIMITS = ("--timeout", 20, "--max-memory", "4GB")
REASONS = {
    "lost": (
        "no plugin declares backbone 'lost'; plugin \N{HORIZONTAL ELLIPSIS}/import_error.py could not be loaded: "
        "ModuleNotFoundError: No module"
    ),
    "hangs": "took longer than 20 s (--timeout)",
    "eats-memory": "MemoryError: used more than 4 GB (--max-memory)",
    "exits-hard": "the worker process died (exit code 3)",
    "exits-well": "the worker process died",
    "not-finite": "backbone not-finite returned features that are not finite",
    "wrong-shape": "backbone wrong-shape returned shape (32, 8, 8, 3) for 32 images; expected (32, number of features)",
}
FAILURES = {
    "lost": "plugin_error",
    "hangs": "timeout",
    "eats-memory": "oom",
    "exits-hard": "killed",
    "exits-well": "killed",
    "not-finite": "nan",
    "wrong-shape": "plugin_error",
}
LAST_LINES = {
    "hangs": "waiting for a server that is not there",
    "exits-hard": "native code says: out of luck",
    "exits-well": "native code says: out of luck",
    "eats-memory": "Unable to allocate 7.45 GiB",
}


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to a limit")
@pytest.mark.slow
def test_hostile_plugins_cost_their_own_rows_only(run_here, workspace, write_images):
    write_images("images", 200, 220)
    assert run_here(*RUN, "--workers", 0, "--out", "alone").returncode == 0
    assert run_here("cache", "clear").returncode == 0
    files = [flag for file in sorted(HOSTILE.glob("*.py")) for flag in ("--plugin", file)]
    names = [flag for name in REASONS for flag in ("--backbone", name)]
    result = workspace.call(*RUN, "--workers", 1, *files, *names, *LIMITS)
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert "waiting for a server" not in result.stdout + result.stderr
    entries = {name.partition("+")[0]: entry for name, entry in workspace.entries().items()}
    assert {name for name, entry in entries.items() if entry["status"] == "complete"} == {"coarse-pixels"}
    for name, reason in REASONS.items():
        assert entries[name]["status"] == "failed"
        assert all(part in entries[name]["reason"] for part in reason.split("\N{HORIZONTAL ELLIPSIS}"))
        assert reason.partition("\N{HORIZONTAL ELLIPSIS}")[0] in " ".join(result.stdout.split())
    assert {name: entry["failure"] for name, entry in entries.items() if entry["failure"]} == FAILURES
    for name, line in LAST_LINES.items():
        assert line in entries[name]["log"][-1]
    alone, beside = (
        workspace.protocol_folder(out) / entries["coarse-pixels"]["predictions"] for out in ("alone", "leaderboard")
    )
    assert alone.read_bytes() == beside.read_bytes()


def test_a_run_of_unknown_backbones_stops_before_any_work(run_here):
    result = run_here("run", "--plugin", HOSTILE / "import_error.py", "--backbone", "lost", "--offline")
    assert result.returncode == 2
    assert "unknown backbone 'lost'" in result.stderr
    assert "could not be loaded" in result.stderr


def test_an_unknown_name_stops_the_run_if_all_plugins_loaded(run_here):
    result = run_here(*RUN, "--data", "phantom", "--backbone", "lost")
    assert result.returncode == 2
    assert "unknown backbone 'lost'" in result.stderr


@pytest.mark.parametrize("limit", [("--timeout", 20), ("--max-memory", "4GB")])
def test_a_limit_without_workers_is_refused(run_here, limit):
    result = run_here(*RUN, "--data", "phantom", "--workers", 0, *limit)
    assert result.returncode == 2
    assert "--timeout and --max-memory need worker processes: pass --workers 1 or more" in result.stderr
