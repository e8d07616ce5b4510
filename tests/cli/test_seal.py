"""Test images are scored by one selection: whoever changes a plugin afterwards keeps the result that there is."""

from __future__ import annotations

import json

import pytest

RUN = ("run", "--data", "films", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls")
QUICK = ("--trials", 2, "--epochs", 1, "--workers", 0, "--offline")
PLUGIN = """
from cxrbench import Backbone, hookimpl


@hookimpl
def register_backbones():
    return [Backbone(name="coarse", factory=__name__ + ":coarse")]


def coarse(*, input_shape, weights, seed):
    return lambda images: images[:, ::8, ::8, 0].reshape(len(images), -1) / {scale}
"""


@pytest.fixture
def plugin(place):
    """Write the plugin, another version of it for another scale."""

    def write(scale):
        file = place.folder / f"at-{scale}" / "coarse.py"
        file.parent.mkdir()
        file.write_text(PLUGIN.format(scale=scale))
        return file

    return write


@pytest.fixture
def coarse(here, films):
    films("films", 200, 220)

    def run(file, *more):
        return here(*RUN, *QUICK, "--backbone", "coarse", "--plugin", file, "--json", *more)

    return run


def results(place):
    """Return the bytes of all that a finished recipe has."""
    parts = ("entries/coarse*", "predictions/coarse*", "seals/coarse*")
    return {name: content for part in parts for name, content in place.files(f"*/{part}").items()}


def test_a_changed_backbone_fails_with_the_reason_and_the_finished_result_stays(coarse, plugin, place):
    assert coarse(plugin(255.0)).returncode == 0
    finished = results(place)
    assert len(finished) == 3
    again = coarse(plugin(100.0), "--backbone", "control-intensity")
    assert again.returncode == 1
    assert "coarse+none+none: failed, the test images (of this protocol) were scored by another selection" in again.stderr
    assert "use another --out or --seed, or remove this protocol's folder" in " ".join(again.stderr.split())
    assert results(place) == finished
    rows = {row["backbone"]: row["status"] for row in json.loads(again.stdout) if row["kind"] == "recipe"}
    assert rows == {"coarse": "complete", "control-intensity": "complete"}


def test_a_changed_backbone_alone_ends_with_exit_code_4_and_without_a_study(coarse, plugin, place):
    assert coarse(plugin(255.0)).returncode == 0
    finished, studies = results(place), place.files("studies/*")
    assert coarse(plugin(100.0)).returncode == 4
    assert results(place) == finished
    assert place.files("studies/*") == studies  # it is refused before the search


def test_another_out_and_another_seed_have_seals_of_their_own(coarse, plugin):
    assert coarse(plugin(255.0)).returncode == 0
    changed = plugin(100.0)
    assert coarse(changed, "--out", "elsewhere").returncode == 0
    assert coarse(changed, "--seed", 1).returncode == 0


def test_the_same_selection_may_open_the_seal_again(coarse, plugin, place):
    file = plugin(255.0)
    assert coarse(file).returncode == 0
    before = results(place)
    for path in place.protocol_folder().glob("predictions/coarse*"):
        path.unlink()
    assert coarse(file).returncode == 0
    after = results(place)
    assert {name: content for name, content in after.items() if name.parent.name != "entries"} == {
        name: content for name, content in before.items() if name.parent.name != "entries"
    }


def test_who_removes_the_entry_and_changes_the_plugin_gets_no_second_look(coarse, plugin, place):
    assert coarse(plugin(255.0)).returncode == 0
    for part in ("entries", "predictions"):
        for path in place.protocol_folder().glob(f"{part}/coarse*"):
            path.unlink()
    again = coarse(plugin(100.0))
    assert again.returncode == 4
    assert "the test images (fold 0, seed 0) were scored by another selection" in again.stderr
    assert [name.parent.name for name in results(place)] == ["entries", "seals"]
    entry = place.entries()["coarse+none+none"]
    assert "were scored by another selection" in entry["reason"]  # a row like any other
    assert entry["failure"] == "data_error"


def test_a_plugin_that_breaks_later_does_not_take_its_result_away(coarse, plugin, place):
    assert coarse(plugin(255.0)).returncode == 0
    finished = results(place)
    broken = coarse(plugin("(images.sum() * float('nan'))"))
    assert broken.returncode == 4
    assert "not finite" in broken.stderr
    assert results(place) == finished


def test_the_majority_class_is_entered_once(coarse, plugin, place):
    file = plugin(255.0)
    assert coarse(file).returncode == 0
    majority = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.folder.glob("leaderboard/*/*/majority*")}
    assert len(majority) == 3
    assert coarse(file, "--backbone", "control-intensity").returncode == 0
    assert majority == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in majority}
