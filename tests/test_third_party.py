"""A third-party plugin, installed with pip, and one-file plugins in a real run with first-party ones."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parent / "samples" / "plugins"
SCRIPT = Path(sys.executable).parent / "cxrbench"
RUN = shlex.split("""
run --data images --image-size 64 --backbone control-border --backbone quadrants:cells=8 --backbone coarse-pixels
--augmentation none --imbalance none --no-controls --trials 2 --epochs 2 --offline --workers 1 --json
""")
pytestmark = pytest.mark.slow
METRICS = ("auc", "f1", "accuracy", "recall", "precision", "validation")


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory):
    """Install the distribution with pip into its own folder; return an environment that includes it."""
    folder = tmp_path_factory.mktemp("third_party")
    shutil.copytree(PLUGINS / "third_party", folder / "source")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    target = ["--disable-pip-version-check", "--target", folder / "site", folder / "source"]
    subprocess.run([*install, *target], check=True, capture_output=True, timeout=120)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CXRBENCH_")}
    return {**clean, "PYTHONPATH": str(folder / "site"), "CXRBENCH_HOME": str(folder / "home")}


@pytest.fixture(scope="module")
def finished(surroundings, tmp_path_factory, draw_images):
    """Run the command with the third-party plugin, a one-file plugin and a callback that always raises."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("good", "raising_observer", "broken_import"):
        shutil.copy(PLUGINS / f"{name}.py", folder)
    draw_images(folder / "images", 200, 220)
    plugins = ["--plugin", "good.py", "--plugin", "raising_observer.py", "--plugin", "broken_import.py"]
    command = [SCRIPT, *RUN, *plugins]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def rows(finished):
    return {row["backbone"]: row for row in json.loads(finished.stdout)}


def test_an_installed_plugin_is_listed_with_its_version(surroundings, tmp_path):
    command = [SCRIPT, "plugins", "list", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=True, timeout=60)
    found = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}["quadrants"]
    assert (found["distribution"], found["version"], found["status"]) == ("quadrants", "2.3", "ok")
    assert [spec["name"] for spec in found["declares"]] == ["quadrants"]


def test_the_run_succeeds_despite_a_broken_callback_and_plugin(finished):
    assert finished.returncode == 0, finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("backbone", ["control-border", "quadrants:cells=8", "coarse-pixels"])
def test_every_backbone_has_a_complete_ranked_row(backbone, rows):
    row = rows[backbone]
    assert (row["status"], row["reason"], row["trials"], row["trials_failed"]) == ("complete", "", 2, 0)
    assert (row["augmentation"], row["imbalance"]) == ("none", "none")
    assert all(0 <= row[metric] <= 1 for metric in METRICS)


def test_rows_are_ranked_by_the_search_metric_in_one_protocol(rows):
    ordered = sorted(rows.values(), key=lambda row: row["rank"])
    assert [row["auc"] for row in ordered] == sorted((row["auc"] for row in ordered), reverse=True)
    assert ordered[0]["rank"] == 1
    assert len({row["protocol"] for row in ordered}) == 1
    assert [row["kind"] for row in ordered].count("recipe") == 3
    assert len(ordered) == 4  # the fourth is the baseline


def test_the_broken_callback_is_reported_once(finished):
    lines = [line for line in finished.stderr.splitlines() if "raising_observer.py failed in on_entry: ValueError" in line]
    assert len(lines) == 1  # although it was called for three entries
