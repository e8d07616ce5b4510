"""Controls and the majority class are on every board; rows that do not beat them have a warning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RUN = (
    "run",
    "--data",
    "images",
    "--image-size",
    32,
    "--augmentation",
    "none",
    "--imbalance",
    "none",
    "--offline",
    "--workers",
    0,
)
QUICK = ("--trials", 2, "--epochs", 5, "--json", "--backbone", "texture")
PLUGINS = Path(__file__).parents[1] / "samples" / "plugins"
CONTROLS = {"control-border", "control-intensity", "control-thumbnail"}


@pytest.fixture
def framed_images(workspace):
    """Write tiny noise images in a frame; the brighter side of the frame shows the class, or is random."""

    def write(telling):
        generator = np.random.default_rng(0)
        for label, name in enumerate(("NORMAL", "PNEUMONIA")):
            (workspace.folder / "images" / name).mkdir(parents=True)
            for number in range(210):
                side = label if telling else int(generator.integers(2))
                pixels = generator.integers(0, 256, (40, 40), dtype=np.uint8)
                pixels[:, :2], pixels[:, -2:] = (220, 30) if side else (30, 220)
                Image.fromarray(pixels).save(workspace.folder / "images" / name / f"{number}.png")

    return write


def by_backbone(result):
    assert result.returncode == 0, result.stderr
    return {row["backbone"]: row for row in json.loads(result.stdout)}


def test_a_frame_that_shows_the_class_is_reported_as_a_shortcut(run_here, framed_images, workspace):
    framed_images(telling=True)
    rows = by_backbone(run_here(*RUN, *QUICK))
    assert {name for name, row in rows.items() if row["control"]} == {*CONTROLS, "majority-class"}
    border = rows["control-border"]
    assert border["auc_low"] > 0.75
    (line,) = [line for line in border["warnings"] if line.startswith("SHORTCUT")]
    assert f"reaches AUC {border['auc']:.3f}" in line
    assert not any(line.startswith("SHORTCUT") for line in rows["control-intensity"]["warnings"])
    (line,) = [line for line in rows["texture"]["warnings"] if "control-border+none+none" in line]
    assert "it may be using a shortcut" in line
    table = " ".join((workspace.protocol_folder() / "LEADERBOARD.md").read_text().split())
    assert "SHORTCUT" in table
    assert line.split(":")[0] in table


def test_a_random_frame_is_not_a_shortcut(run_here, framed_images):
    framed_images(telling=False)
    rows = by_backbone(run_here(*RUN, *QUICK))
    assert not any(line.startswith("SHORTCUT") for row in rows.values() for line in row["warnings"])
    (line,) = [
        line for line in rows["texture"]["warnings"] if "does not beat" in line
    ]  # these images show nothing of their class
    assert "majority-class" in line


def test_a_row_that_beats_every_control_has_no_warning(run_here, write_images):
    write_images("images", 200, 220)
    plugin = ("--plugin", PLUGINS / "good.py", "--backbone", "coarse-pixels")
    rows = by_backbone(run_here(*RUN, *QUICK, *plugin, "--no-controls"))
    assert set(rows) == {"texture", "coarse-pixels", "majority-class"}
    assert rows["coarse-pixels"]["auc"] > 0.95
    assert not any("does not beat" in line for line in rows["coarse-pixels"]["warnings"])
    assert any("does not beat majority-class" in line for line in rows["texture"]["warnings"])  # brightness is no texture


@pytest.mark.parametrize(("negative", "positive"), [(150, 270), (270, 150)])
def test_the_majority_is_that_of_the_training_images(run_here, write_images, workspace, negative, positive):
    write_images("images", negative, positive)
    row = by_backbone(
        run_here(*RUN, "--trials", 1, "--epochs", 1, "--json", "--backbone", "control-intensity", "--no-controls")
    )["majority-class"]
    (parts,) = json.loads((workspace.protocol_folder() / "entries" / "majority-class.json").read_text())["dataset"]["folds"]
    test = parts["test_negative"], parts["test_positive"]
    commoner = positive > negative
    assert (parts["train_positive"] > parts["train_negative"]) == commoner
    assert row["accuracy"] == test[commoner] / sum(test)
    assert (row["recall"], row["specificity"], row["auc"]) == (commoner, not commoner, 0.5)
    share = parts["train_positive"] / (parts["train_positive"] + parts["train_negative"])
    assert row["brier"] == pytest.approx((test[1] * (1 - share) ** 2 + test[0] * share**2) / sum(test))
    assert not any("collapsed" in line for line in row["warnings"])
