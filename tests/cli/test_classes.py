"""`--positive` and `--negative` choose the classes of a folder tree or a CSV file, from the run to the model."""

from __future__ import annotations

import shutil

import pytest

import cxrbench
from cxrbench.config.settings import read_settings
from cxrbench.errors import ConfigError

RUN = ("run", "--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none", "--offline")
QUICK = ("--trials", 1, "--epochs", 1, "--image-size", 32, "--workers", 0)
CHOSEN = ("--positive", "TB", "--negative", "Healthy")
UNCLEAR = "lungs: it is unclear which class is positive and which is negative. Its classes: Healthy (210), TB (210), Flu (4)"


@pytest.fixture
def lungs(workspace, draw_images):
    """Three classes that no dataset knows."""
    folder = draw_images(workspace.folder / "lungs", 210, 210)
    (folder / "NORMAL").rename(folder / "Healthy")
    (folder / "PNEUMONIA").rename(folder / "TB")
    (folder / "Flu").mkdir()
    for number in range(4):
        shutil.copy(folder / "TB" / f"{number:03d}.jpeg", folder / "Flu")
    return "lungs"


def test_chosen_classes_go_from_the_run_to_its_reproduction(run_here, workspace, lungs):
    refused = run_here(*RUN, *QUICK, "--data", lungs)
    assert refused.returncode == 3
    assert UNCLEAR in refused.stderr
    assert "Choose, for example: --positive TB --negative Healthy (" in refused.stderr
    done = run_here(*RUN, *QUICK, "--data", lungs, *CHOSEN)
    assert done.returncode == 0, done.stderr
    assert "classes that are neither the positive nor the negative one: 4 image files in Flu/ (4)" in " ".join(
        done.stderr.split()
    )
    (entry,) = workspace.entries().values()
    assert entry["data"] == "folder:negative=Healthy,positive=TB"
    assert entry["dataset"]["class_names"] == {"negative": "Healthy", "positive": "TB"}
    assert (entry["dataset"]["negative"], entry["dataset"]["positive"]) == (210, 210)
    path = workspace.protocol_folder() / "entries" / "control-intensity+none+none.json"
    again = run_here("reproduce", path, "--data", lungs, "--workers", 0)
    assert again.returncode == 0, again.stderr
    measured = run_here("evaluate", 1, "--data", lungs, *CHOSEN)
    assert measured.returncode == 0, measured.stderr
    assert "TB" in measured.stdout
    gallery = run_here("explain", 1, "--gallery", "--data", lungs)
    assert "unclear" not in gallery.stderr  # which class is which is known from the entry


def test_classes_are_settings_everywhere(workspace, lungs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read_settings({}).classes == {}
    (tmp_path / "cxrbench.toml").write_text('positive = 1\nnegative = "Healthy"')
    assert read_settings({}).classes == {"positive": "1", "negative": "Healthy"}
    monkeypatch.setenv("CXRBENCH_POSITIVE", "TB")
    assert read_settings({}).classes == {"positive": "TB", "negative": "Healthy"}
    with pytest.raises(ConfigError, match="--positive  : must be the name of a class"):
        read_settings({"positive": " "})
    with pytest.raises(ConfigError, match="--positive Malaria: sample has no option positive"):
        cxrbench.run(positive="Malaria", offline=True)
