"""Controls and the majority class stand on every board, and rows that do not beat them say so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RUN = (
    "run",
    "--data",
    "films",
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
PLUGINS = Path(__file__).parents[1] / "plugins"
CONTROLS = {"control-border", "control-intensity", "control-thumbnail"}


@pytest.fixture
def framed_films(place):
    """Write tiny films of nothing but noise, in a frame whose left or right side is the brighter one by class."""

    def write(telling):
        generator = np.random.default_rng(0)
        for label, name in enumerate(("NORMAL", "PNEUMONIA")):
            (place.folder / "films" / name).mkdir(parents=True)
            for number in range(210):
                side = label if telling else int(generator.integers(2))
                pixels = generator.integers(0, 256, (40, 40), dtype=np.uint8)
                pixels[:, :2], pixels[:, -2:] = (220, 30) if side else (30, 220)
                Image.fromarray(pixels).save(place.folder / "films" / name / f"{number}.png")

    return write


def by_backbone(result):
    assert result.returncode == 0, result.stderr
    return {row["backbone"]: row for row in json.loads(result.stdout)}


def test_a_frame_that_tells_the_class_is_called_a_shortcut_and_what_no_row_beats_is_named(here, framed_films, place):
    framed_films(telling=True)
    rows = by_backbone(here(*RUN, *QUICK))
    assert {name for name, row in rows.items() if row["control"]} == {*CONTROLS, "majority-class"}
    border = rows["control-border"]
    assert border["auc_low"] > 0.75
    (line,) = [line for line in border["warnings"] if line.startswith("SHORTCUT")]
    assert f"reaches AUC {border['auc']:.3f}" in line
    assert not any(line.startswith("SHORTCUT") for line in rows["control-intensity"]["warnings"])
    (line,) = [line for line in rows["texture"]["warnings"] if "does not beat" in line]
    assert "control-border+none+none" in line
    assert "it has not shown that it looks at lungs" in line
    table = " ".join((place.protocol_folder() / "LEADERBOARD.md").read_text().split())
    assert "SHORTCUT" in table
    assert "does not beat control-border+none+none" in table


def test_a_frame_that_tells_nothing_is_no_shortcut(here, framed_films):
    framed_films(telling=False)
    rows = by_backbone(here(*RUN, *QUICK))
    assert not any(line.startswith("SHORTCUT") for row in rows.values() for line in row["warnings"])
    (line,) = [line for line in rows["texture"]["warnings"] if "does not beat" in line]  # nothing can be learnt here
    assert "majority-class" in line


def test_a_row_that_beats_every_control_is_not_warned_of(here, films):
    films("films", 200, 220)
    plugin = ("--plugin", PLUGINS / "good.py", "--backbone", "coarse-pixels")
    rows = by_backbone(here(*RUN, *QUICK, *plugin, "--no-controls"))
    assert set(rows) == {"texture", "coarse-pixels", "majority-class"}
    assert rows["coarse-pixels"]["auc"] > 0.95
    assert not any("does not beat" in line for line in rows["coarse-pixels"]["warnings"])
    assert any("does not beat majority-class" in line for line in rows["texture"]["warnings"])  # brightness is no texture


@pytest.mark.parametrize(("normal", "pneumonia"), [(150, 270), (270, 150)])
def test_the_majority_is_that_of_the_training_images(here, films, place, normal, pneumonia):
    films("films", normal, pneumonia)
    row = by_backbone(here(*RUN, "--trials", 1, "--epochs", 1, "--json", "--backbone", "control-intensity", "--no-controls"))[
        "majority-class"
    ]
    (parts,) = json.loads((place.protocol_folder() / "entries" / "majority-class.json").read_text())["dataset"]["folds"]
    test = parts["test_negative"], parts["test_positive"]
    commoner = pneumonia > normal
    assert (parts["train_positive"] > parts["train_negative"]) == commoner
    assert row["accuracy"] == test[commoner] / sum(test)
    assert (row["recall"], row["specificity"], row["auc"]) == (commoner, not commoner, 0.5)
    share = parts["train_positive"] / (parts["train_positive"] + parts["train_negative"])
    assert row["brier"] == pytest.approx((test[1] * (1 - share) ** 2 + test[0] * share**2) / sum(test))
    assert not any("collapsed" in line for line in row["warnings"])
