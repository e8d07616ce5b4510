"""Backbones from the user's files, in real runs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest

from cxrbench.config.recipe import expand
from cxrbench.data.download import Downloader
from cxrbench.evaluation.metrics import auc
from cxrbench.models.formats.onnx_file import write_onnx
from cxrbench.models.weights import get_weights, weights_available
from cxrbench.plugin.host import load_host
from cxrbench.plugin.specs import Backbone
from cxrbench.storage.sharded_array import SHARD_ROWS, ShardedArray
from cxrbench_datasets.sample import load_sample

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
    assert not any(weights_available(bound(name), (64, 64, 3), downloader) for name in ("chexnet", "keras-file", "onnx"))


def test_features_depend_on_the_bytes_of_the_file(model_file, tmp_path):
    import keras

    downloader = Downloader(folder=tmp_path, offline=True, say=print)
    part = bound(f"keras-file:path={model_file}")
    for _ in range(2):
        found = get_weights(part, (64, 64, 3), downloader)
        assert found.digest == hashlib.sha256(model_file.read_bytes()).hexdigest()
        keras.Sequential([keras.Input((64, 64, 1)), keras.layers.Flatten()]).save(model_file)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory, tensorflow_ready):
    """Write MobileNet 0.25 with its ImageNet weights as an ONNX file."""
    pytest.importorskip("onnxruntime", reason="needs pip install 'cxrbench[onnx]'")
    file = tmp_path_factory.mktemp("onnx") / "mobilenet.onnx"
    write_onnx(bound("mobilenet:alpha=0.25").build(input_shape=(64, 64, 3), weights="imagenet", seed=0), file, {})
    return file


@pytest.fixture
def mobilenet_as_onnx(onnx_file, workspace):
    """Return the backbone of that file, which is in the working folder."""
    shutil.copy(onnx_file, workspace.folder)
    return f"onnx:path={onnx_file.name}"


@pytest.mark.slow
def test_a_converted_network_has_the_features_and_auc_of_keras(run_here, workspace, mobilenet_as_onnx):
    backbones = ("--backbone", "mobilenet:alpha=0.25", "--backbone", mobilenet_as_onnx)
    done = run_here("run", *SHORT, "--data", "sample", *backbones)
    assert done.returncode == 0, done.stderr
    assert {entry["status"] for entry in workspace.entries().values()} == {"complete"}
    labels = np.array([record.label for record in load_sample().records])
    folders = sorted((workspace.folder / "home" / "features").iterdir())
    arrays = [ShardedArray(folder=one, rows=len(labels), dtype="float32", shard_rows=SHARD_ROWS) for one in folders]
    first, second = (array.read(0, len(labels)) for array in arrays)
    assert (np.linalg.norm(first - second, axis=1) < 1e-4 * np.linalg.norm(first, axis=1)).all()
    towards_positive = [one[labels == 1].mean(axis=0) - one[labels == 0].mean(axis=0) for one in (first, second)]
    areas = [auc(labels, one @ direction) for one, direction in zip((first, second), towards_positive, strict=True)]
    assert areas[0] == pytest.approx(areas[1], abs=1e-3)
    assert areas[0] > 0.8


def test_without_onnx_runtime_the_row_is_unavailable(run_here, workspace, write_images, monkeypatch, mobilenet_as_onnx):
    write_images("images", 200, 220)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = run_here("run", *SHORT, "--backbone", mobilenet_as_onnx, "--backbone", "random-convnet")
    assert done.returncode == 1, done.stderr
    statuses = {
        entry["backbone"].partition(":")[0]: (entry["status"], entry["reason"]) for entry in workspace.entries().values()
    }
    assert statuses["random-convnet"] == ("complete", "")
    assert statuses["onnx"] == ("unavailable", "onnx needs ONNX Runtime, which is not installed: pip install 'cxrbench[onnx]'")


def test_an_onnx_file_for_another_image_size_says_which(run_here, workspace, write_images, mobilenet_as_onnx):
    write_images("images", 200, 220)
    done = run_here("run", *SHORT, "--image-size", 96, "--backbone", mobilenet_as_onnx)
    assert done.returncode == 4, done.stderr
    (entry,) = workspace.entries().values()
    assert "takes images of 64x64, not 96x96: use --image-size 64" in entry["reason"]
    assert str(workspace.folder) not in json.dumps(entry)
