"""Backbones from the user's files, in real runs."""

from __future__ import annotations

import hashlib

import pytest

from cxrbench.config.recipe import expand
from cxrbench.data.download import Downloader
from cxrbench.models.weights import get_weights, weights_available
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Backbone

SHORT = (
    *("--data", "images", "--image-size", 64, "--no-controls", "--offline", "--workers", 0),
    *("--augmentation", "none", "--imbalance", "none", "--trials", 1, "--epochs", 1),
)


@pytest.fixture
def model_file(tmp_path, tensorflow_ready):
    keras = tensorflow_ready
    images = keras.Input((64, 64, 1))
    features = keras.layers.AveragePooling2D(16)(keras.layers.Rescaling(1 / 255)(images))
    vector = keras.layers.Flatten(name="pixels")(features)
    keras.Model(images, keras.layers.Dense(1, activation="sigmoid")(vector)).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def bound(text):
    (part,) = expand(load_host(), Backbone, [text])
    return part


def test_a_model_file_gets_a_row_and_missing_weights_a_remedy(run_here, write_images, workspace, model_file):
    write_images("images", 200, 220)
    backbones = ["--backbone", f"keras-file:path={model_file.name},layer=pixels", "--backbone", "chexnet"]
    done = run_here("run", *SHORT, *backbones)
    assert done.returncode == 1, done.stderr
    entries = {entry["backbone"].partition(":")[0]: entry for entry in workspace.entries().values()}
    assert entries["keras-file"]["status"] == "complete"
    assert (entries["chexnet"]["status"], entries["chexnet"]["failure"]) == ("unavailable", "unavailable")
    assert "chexnet:weights=FILE" in entries["chexnet"]["reason"]


@pytest.mark.parametrize("backbone", ["chexnet:weights=nowhere.h5", "keras-file:path=nowhere.keras", "keras-file:path=m.h5"])
def test_an_invalid_file_stops_the_run_before_it_starts(run_here, write_images, backbone):
    write_images("images", 1, 1)
    done = run_here("run", *SHORT, "--backbone", backbone)
    assert (done.returncode, done.stdout) == (2, "")
    assert "backbone" in done.stderr or "keras-file" in done.stderr
    assert "images" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wildcard_leaves_out_backbones_without_a_file(tmp_path):
    downloader = Downloader(folder=tmp_path, offline=True, say=print)
    assert not any(weights_available(bound(name), (64, 64, 3), downloader) for name in ("chexnet", "keras-file"))


def test_features_depend_on_the_bytes_of_the_file(model_file, tmp_path):
    import keras

    downloader = Downloader(folder=tmp_path, offline=True, say=print)
    part = bound(f"keras-file:path={model_file}")
    for _ in range(2):
        found = get_weights(part, (64, 64, 3), downloader)
        assert found.digest == hashlib.sha256(model_file.read_bytes()).hexdigest()
        keras.Sequential([keras.Input((64, 64, 1)), keras.layers.Flatten()]).save(model_file)
