"""A stranger's plugin with its weights in a file: runs, rows and `reproduce` go by the file's bytes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

SAMPLE = Path(__file__).parents[1] / "samples" / "plugins" / "squeeze"
RUN = (
    *("run", "--data", "images", "--image-size", 64, "--no-controls", "--offline", "--workers", 0),
    *("--augmentation", "none", "--imbalance", "none", "--trials", 1, "--epochs", 1, "--plugin", "plugin/squeeze.py"),
)


def write_weights(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, kernels=np.random.default_rng(seed).standard_normal((8, 64)))
    return path


def label(workspace, content):
    """Return how a row shows weights."""
    file = write_weights(workspace.folder / "drawn" / "x.npz", content)
    return f"squeeze:file=x.npz@sha256:{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"


@pytest.fixture(scope="module")
def runs(make_workspace, tmp_path_factory, draw_images, tensorflow_ready):
    """Run with some weights, with others at the same path, and with the first ones again at another path."""
    workspace = make_workspace(tmp_path_factory.mktemp("stranger"))
    draw_images(workspace.folder / "images", 200, 220)
    shutil.copytree(SAMPLE, workspace.folder / "plugin")
    results = []
    for seed, path in ((1, "w/x.npz"), (2, "w/x.npz"), (1, "v/x.npz")):
        write_weights(workspace.folder / path, seed)
        done = workspace.call_here(*RUN, "--backbone", f"squeeze:file={path}")
        assert done.returncode == 0, done.stderr
        results.append(workspace.files("*/*/squeeze*") | workspace.files("studies/*.journal"))
    return workspace, results


@pytest.fixture
def stranger(runs, make_workspace, tmp_path):
    """Return a copy of the finished runs."""
    shutil.copytree(runs[0].folder, tmp_path, dirs_exist_ok=True)
    return make_workspace(tmp_path)


def entry_of(workspace, seed):
    (path,) = (
        path
        for path in workspace.protocol_folder().glob("entries/squeeze*.json")
        if json.loads(path.read_text())["backbone"] == label(workspace, seed)
    )
    return path


def test_other_bytes_at_the_same_path_are_another_row(runs):
    workspace = runs[0]
    first, second = label(workspace, 1), label(workspace, 2)
    entries = {entry["backbone"]: entry for entry in workspace.entries().values()}
    assert set(entries) == {first, second}
    assert entries[first]["folds"][0]["validation"] != entries[second]["folds"][0]["validation"]


def test_the_same_bytes_at_another_path_are_the_same_row(runs):
    _, (one_row, two_rows, again) = runs
    assert again == two_rows
    assert len(one_row) < len(two_rows)


def test_no_row_shows_where_a_file_was(runs):
    workspace = runs[0]
    for content in workspace.files("**/*").values():
        assert b"w/x.npz" not in content
        assert str(workspace.folder).encode() not in content


def test_an_entry_records_plugin_and_files(runs):
    workspace = runs[0]
    facts = json.loads(entry_of(workspace, 1).read_text())["components"]
    assert facts["backbone"]["package"] == "squeeze.py"
    assert facts["backbone"]["files"]["file"][:8] == label(workspace, 1)[-8:]
    assert facts["imbalance"]["package"] == "cxrbench"
    assert facts["imbalance"]["version"]


def test_show_lists_what_stands_behind_the_components(runs):
    workspace, digits = runs[0], label(runs[0], 1)[-8:]
    shown = workspace.call_here("show", entry_of(workspace, 1)).stdout
    assert re.search(rf"\n  backbone: squeeze\.py, source [0-9a-f]{{16}}, file {digits}[0-9a-f]{{8}}\n", shown)
    assert re.search(r"\n  imbalance: cxrbench [0-9.]+, source [0-9a-f]{16}\n", shown)
    assert " --data NAME|PATH --file PATH\n" in shown


def test_reproduce_finds_the_file_by_its_bytes(stranger):
    plugin, digits = ("--plugin", "plugin/squeeze.py"), label(stranger, 1)[-8:]
    command = ("reproduce", entry_of(stranger, 1), "--data", "images", "--workers", 0, "--offline")
    missing = stranger.call_here(*command, *plugin)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert f"needs the file x.npz, whose SHA-256 begins with {digits}; it is not in the working folder" in missing.stderr
    other = stranger.call_here(*command, *plugin, "--file", "w/x.npz")
    assert other.returncode == 2
    assert "it has other bytes here. Give its path with --file" in other.stderr
    right = stranger.call_here(*command, *plugin, "--file", "v/x.npz")
    assert right.returncode == 0, right.stderr
    assert right.stdout.endswith(": reproduced exactly, every metric, threshold and prediction\n")


def test_reproduce_without_the_plugin_says_where_it_was(stranger):
    command = ("reproduce", entry_of(stranger, 1), "--data", "images", "--file", "v/x.npz")
    alone = stranger.call_here(*command)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "needs backbone 'squeeze': the one-file plugin squeeze.py declares it. Give its path with --plugin" in alone.stderr
    change_package(entry_of(stranger, 1))
    packaged = stranger.call_here(*command)
    assert packaged.returncode == 2
    assert "package cxrbench-squeeze 1.2 declares it. Install it: pip install cxrbench-squeeze==1.2" in packaged.stderr


def change_package(path):
    stored = json.loads(path.read_text())
    stored["components"]["backbone"] |= {"package": "cxrbench-squeeze", "version": "1.2"}
    path.write_text(json.dumps(stored))


def test_reproduce_reports_a_changed_helper_module(stranger):
    helper = stranger.folder / "plugin" / "squeeze_layers.py"
    helper.write_text(helper.read_text() + "\n\nEDITED = True\n")
    done = stranger.call_here(
        *("reproduce", entry_of(stranger, 1), "--data", "images", "--workers", 0, "--offline"),
        *("--plugin", "plugin/squeeze.py", "--file", "v/x.npz"),
    )
    assert done.returncode == 1
    assert "SHA-256 of its source" in done.stdout
