"""Backbones with and without their weights in a run."""

from __future__ import annotations

import json

import pytest

SMALL = ("--data", "images", "--image-size", 32, "--trials", 1, "--epochs", 1, "--workers", 0, "--offline", "--json")
PLAIN = ("--augmentation", "none", "--imbalance", "none", "--no-controls")


def recipes(result):
    return [row for row in json.loads(result.stdout) if row["kind"] == "recipe"]


@pytest.fixture
def run(run_here, write_images):
    write_images("images", 200, 220)
    return lambda *backbones: run_here("run", *SMALL, *PLAIN, *(word for name in backbones for word in ("--backbone", name)))


def test_a_named_backbone_without_weights_is_a_row_with_a_remedy(run):
    result = run("vgg16", "random-convnet")
    assert result.returncode == 1
    rows = {row["backbone"]: row for row in recipes(result)}
    assert rows["random-convnet"]["status"] == "complete"
    assert rows["vgg16"]["status"] == "unavailable"
    assert rows["vgg16"]["rank"] is None
    assert rows["vgg16"]["auc"] is None
    assert "https://storage.googleapis.com" in rows["vgg16"]["reason"]


def test_the_default_grid_skips_backbones_without_weights(run):
    result = run()
    assert result.returncode == 0, result.stderr
    assert {row["backbone"] for row in recipes(result)} == {"mobilenet:alpha=0.25", "texture", "random-convnet"}
    (line,) = [line for line in result.stderr.splitlines() if "--download" in line]
    assert all(name in line for name in ("resnet50", "densenet121", "inceptionv3", "vgg16", "efficientnetb0", "mobilenet"))


def test_nothing_finished_is_exit_code_4(run):
    assert run("vgg16").returncode == 4


def test_backbones_run_without_weights_when_asked(run):
    result = run("mobilenet:alpha=0.25,weights=none")
    assert result.returncode == 0, result.stderr
    assert recipes(result)[0]["backbone"] == "mobilenet:alpha=0.25,weights=none"


@pytest.mark.slow
def test_real_images_with_real_weights(workspace):
    result = workspace.call(  # a process of its own: Keras reads KERAS_HOME when it is imported
        *("run", "--data", "sample", "--backbone", "mobilenet:alpha=0.25", *PLAIN, "--imbalance", "class-weights"),
        *("--trials", 3, "--workers", 0, "--offline", "--json"),
    )
    assert result.returncode == 0, result.stderr
    rows = recipes(result)
    assert len(rows) == 2
    assert all(row["protocol"].startswith("sample-official-") for row in rows)
    assert all(row["auc"] > 0.95 for row in rows)
    for entry in workspace.entries().values():
        facts = entry["components"]["backbone"]
        assert facts["weights_origin"] == "mobilenet_2_5_224_tf_no_top.h5, bundled with cxrbench"
        assert len(facts["weights"]) == 64
