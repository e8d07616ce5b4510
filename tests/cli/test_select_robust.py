"""`--select robust`: trial, threshold and recipe chosen on validation images as they are and under development shifts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from cxrbench.benchmark.wanted_shifts import DEVELOPMENT
from cxrbench.config.recipe import stem_of
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS
from cxrbench.evaluation.threshold import choose_threshold

CELLS = """
from cxrbench.plugin import Backbone, Choice, hookimpl

@hookimpl
def register_backbones():
    return [Backbone(name="cells", factory=f"{__name__}:build", space=f"{__name__}:space")]

def space(*, input_shape, cells=None):
    return {"cells": Choice(options=(4, 8))}

def build(*, input_shape, weights, seed, cells=4):
    side = input_shape[0] // cells

    def means(images):
        blocks = images[..., 0].reshape(len(images), cells, side, cells, side)
        return blocks.mean(axis=(2, 4)).reshape(len(images), -1) / 32

    return means
"""
RUN = (
    *("run", "--data", "images", "--image-size", 32, "--epochs", 2, "--trials", 2, "--seeds", 2, "--folds", 2),
    *(
        "--offline",
        "--backbone",
        "control-intensity",
        "--backbone",
        "cells",
        "--backbone",
        "cells:cells=8",
        "--plugin",
        "cells.py",
        "--no-controls",
    ),
    *("--augmentation", "none", "--imbalance", "none", "--workers", 0),
)
INTENSITY, SEARCHED, SET = "control-intensity+none+none", "cells+none+none", "cells:cells=8+none+none"


@pytest.fixture(scope="module")
def run(tmp_path_factory, make_workspace, draw_images, tensorflow_ready):
    """Return a function that runs the recipes in a folder of its own."""

    def call(*flags):
        workspace = make_workspace(tmp_path_factory.mktemp("robust"))
        draw_images(workspace.folder / "images", 290, 310, difference=3)
        (workspace.folder / "cells.py").write_text(CELLS, encoding="utf-8")
        done = workspace.call_here(*RUN, *flags)
        assert done.returncode == 0, done.stderr
        return workspace

    return call


@pytest.fixture(scope="module")
def robust(run):
    return run("--select", "robust")


def versions(workspace, recipe):
    """Return the validation predictions by (fold, seed): of the images as they are, then under each shift."""
    folder = workspace.protocol_folder()
    stem = stem_of(recipe)
    names = [path.name for path in (folder / "development" / stem).iterdir()]
    assert sorted(name.partition("-")[0] for name in names) == sorted(DEVELOPMENT)
    tables = [folder / "predictions" / f"{stem}.npz", *(folder / "development" / stem / name for name in names)]
    found = {}
    for table in tables:
        for one in read_predictions(table):
            if one.subset == "validation":
                found.setdefault((one.fold, one.seed), []).append(one)
    return found


@pytest.mark.parametrize("recipe", [INTENSITY, SEARCHED, SET])
def test_value_and_threshold_are_those_of_all_versions(robust, recipe):
    entry, found = robust.entries()[recipe], versions(robust, recipe)
    assert [name.partition("@")[0] for name in entry["development"]] == list(DEVELOPMENT)
    for fold in entry["folds"]:
        heads = {head["seed"]: head["threshold"] for head in (*fold["heads"], {"seed": MEAN_OF_SEEDS, **fold["mean"]})}
        for seed, threshold in heads.items():
            of_head = found[fold["fold"], seed]
            labels, scores = (np.concatenate([getattr(one, name) for one in of_head]) for name in ("labels", "scores"))
            assert len(of_head) == 1 + len(DEVELOPMENT)
            assert all(np.array_equal(one.keys, of_head[0].keys) for one in of_head)
            assert threshold == choose_threshold("max-f1", labels, scores)
        each = [metrics(one.labels, one.scores, heads[0])["auc"] for one in found[fold["fold"], 0]]
        assert len(set(each)) > 1
        assert fold["validation"]["auc"] == pytest.approx(np.mean(each), abs=1e-12)
        assert fold["history"]["values"][fold["selected_trial"]] == pytest.approx(np.mean(each), abs=1e-12)
        assert fold["selected_trial"] == int(np.argmax(fold["history"]["values"]))


@pytest.mark.long
def test_the_number_of_workers_does_not_matter(robust, run):
    other = run("--select", "robust", "--workers", 1)
    for pattern in ("*/predictions/*.npz", "*/development/*/*.npz", "*/models/*/*/*"):
        assert robust.files(pattern) == other.files(pattern)
        assert robust.files(pattern)


def test_the_plan_names_its_protocol_and_counts_its_images(robust, make_workspace, tmp_path):
    (tmp_path / "images").symlink_to(robust.folder / "images")
    (tmp_path / "cells.py").write_text(CELLS, encoding="utf-8")
    calls = (make_workspace(tmp_path).call_here(*RUN, "--select", of, "--plan", "--json") for of in ("validation", "robust"))
    plain, planned = (json.loads(done.stdout) for done in calls)
    assert plain["protocol"] != planned["protocol"] == robust.protocol_folder().name
    images = {key for heads in versions(robust, INTENSITY).values() for key in heads[0].keys}
    head = load_file(robust.protocol_folder() / "models" / INTENSITY / "head" / "fold-0-seed-0.safetensors")
    pixels = (1 + len(DEVELOPMENT)) * 32 * 32  # as they are, and under each shift
    of_image = pixels + len(DEVELOPMENT) * 4 * len(head["hidden.kernel"])  # those of searched backbones are not counted
    assert planned["cache_bytes"] - plain["cache_bytes"] == pytest.approx(len(images) * of_image, rel=0.05)
