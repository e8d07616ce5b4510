"""Test images are scored by one selection only: changing a plugin later does not change the result."""

from __future__ import annotations

import json
import shutil

import pytest

RUN = ("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--trials", 2, "--epochs", 1, "--workers", 0, "--offline", "--backbone", "coarse")
PLUGIN = """
from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="coarse", factory=__name__ + ":coarse")]


def coarse(*, input_shape, weights, seed):
    return lambda images: images[:, ::8, ::8, 0].reshape(len(images), -1) / {scale}
"""


def write_plugin(workspace, scale):
    """Write a version of the plugin with a scale."""
    file = workspace.folder / f"at-{scale}" / "coarse.py"
    file.parent.mkdir()
    file.write_text(PLUGIN.format(scale=scale))
    return file


@pytest.fixture(scope="module")
def finished(make_workspace, tmp_path_factory, draw_images, tensorflow_ready):
    """Run the plugin with the scale 255 once."""
    workspace = make_workspace(tmp_path_factory.mktemp("finished"))
    draw_images(workspace.folder / "images", 200, 220)
    assert workspace.call_here(*RUN, *QUICK, "--plugin", write_plugin(workspace, 255.0)).returncode == 0
    return workspace


@pytest.fixture
def coarse(finished, workspace):
    """Copy the finished run, and return a function that runs another version of the plugin."""
    shutil.copytree(finished.folder, workspace.folder, dirs_exist_ok=True)

    def run(scale, *more):
        file = workspace.folder / "at-255.0" / "coarse.py" if scale == 255 else write_plugin(workspace, scale)
        return workspace.call_here(*RUN, *QUICK, "--plugin", file, "--json", *more)

    return run


def results(workspace):
    """Return the bytes of all files of a finished recipe."""
    parts = ("entries/coarse*", "predictions/coarse*", "test_lock/coarse*")
    return {name: content for part in parts for name, content in workspace.files(f"*/{part}").items()}


def test_a_changed_backbone_fails_and_the_finished_result_stays(coarse, workspace):
    finished = results(workspace)
    assert len(finished) == 3
    again = coarse(100, "--backbone", "control-intensity")
    assert again.returncode == 1
    assert "coarse+none+none: failed, the test images (of this protocol) were scored by another selection" in again.stderr
    said = " ".join(again.stderr.split())
    assert "To keep the earlier result, undo the change. To score the new selection, begin a new attempt" in said
    assert results(workspace) == finished
    rows = {row["backbone"]: row["status"] for row in json.loads(again.stdout) if row["kind"] == "recipe"}
    assert rows == {"coarse": "complete", "control-intensity": "complete"}


def test_a_changed_backbone_alone_gives_exit_code_4_and_no_study(coarse, workspace):
    finished, studies = results(workspace), workspace.files("studies/*")
    assert coarse(100).returncode == 4
    assert results(workspace) == finished
    assert workspace.files("studies/*") == studies  # refused before the search


def test_a_new_attempt_has_its_own_lock_and_the_old_result_stays(coarse, workspace):
    finished = results(workspace)
    again = coarse(102, "--fresh")
    assert again.returncode == 0, again.stderr
    kept = results(workspace)
    assert {name: kept[name] for name in finished} == finished
    assert len(kept) == 2 * len(finished)


def test_the_earlier_plugin_goes_on_where_the_change_is_undone(coarse):
    assert coarse(100).returncode == 4
    assert coarse(255).returncode == 0


def test_another_out_and_another_seed_have_their_own_locks(coarse):
    assert coarse(100, "--out", "elsewhere").returncode == 0
    assert coarse(101, "--seed", 1).returncode == 0


def test_the_same_selection_may_score_the_test_set_again(coarse, workspace):
    before = results(workspace)
    for path in workspace.protocol_folder().glob("predictions/coarse*"):
        path.unlink()
    assert coarse(255).returncode == 0
    after = results(workspace)
    assert {name: content for name, content in after.items() if name.parent.name != "entries"} == {
        name: content for name, content in before.items() if name.parent.name != "entries"
    }


def test_removing_the_entry_does_not_remove_the_test_set_lock(coarse, workspace):
    for part in ("entries", "predictions"):
        for path in workspace.protocol_folder().glob(f"{part}/coarse*"):
            path.unlink()
    again = coarse(100)
    assert again.returncode == 4
    assert "the test images (fold 0, seed 0) were scored by another selection" in again.stderr
    assert [name.parent.name for name in results(workspace)] == ["entries", "test_lock"]
    entry = workspace.entries()["coarse+none+none"]
    assert "were scored by another selection" in entry["reason"]  # a row like any other
    assert entry["failure"] == "data_error"


def test_a_plugin_that_breaks_later_keeps_its_result(coarse, workspace):
    finished = results(workspace)
    broken = coarse("(images.sum() * float('nan'))")
    assert broken.returncode == 4
    assert "not finite" in broken.stderr
    assert results(workspace) == finished


def test_the_majority_class_is_entered_once(coarse, workspace):
    majority = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in workspace.folder.glob("leaderboard/*/*/majority*")
    }
    assert len(majority) == 3
    assert coarse(255, "--backbone", "control-intensity").returncode == 0
    assert majority == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in majority}
