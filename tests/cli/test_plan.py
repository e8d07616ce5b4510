"""`cxrbench run --plan`: what would be run and what it would cost; nothing is run, downloaded or written."""

from __future__ import annotations

import json
import re

import pytest

SIZE = 64
IMAGES = 420
PLAN = (
    *(
        "run",
        "--data",
        f"phantom:images={IMAGES},size={SIZE}",
        "--image-size",
        SIZE,
        "--epochs",
        2,
        "--workers",
        0,
        "--no-controls",
    ),
    *("--augmentation", "none", "--imbalance", "none"),
)
BORDER = ("--backbone", "control-border")


@pytest.fixture
def plan(run_here):
    """Return a function that returns the plan of a run as JSON."""

    def call(*flags):
        done = run_here(*PLAN, *flags, "--plan", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_a_plan_lists_the_work_and_writes_nothing(plan, workspace):
    more = 600  # so that each fold has 50 validation images
    found = plan(*BORDER, "--trials", 7, "--folds", 2, "--data", f"phantom:images={more},size={SIZE}")
    assert list(workspace.folder.iterdir()) == []
    assert found["recipes"] == [{"recipe": "control-border+none+none", "trials": 14, "features": "to extract"}]
    assert (found["undecoded"], found["skipped_backbones"]) == (more, [])
    assert found["protocol"].startswith("phantom-synthetic-grouped-")
    assert found["seconds"] > 0


def test_a_plan_of_a_run_that_would_be_refused_says_so(run_here, workspace):
    done = run_here(*PLAN, *BORDER, "--folds", 2, "--plan")
    assert done.returncode == 3
    assert "needs at least 50" in done.stderr
    assert list(workspace.folder.iterdir()) == []


def test_the_disk_of_a_plan_is_what_the_run_then_takes(plan, run_here, workspace):
    planned = plan(*BORDER, "--trials", 3)
    run_here(*PLAN, *BORDER, "--trials", 3)
    rows = sum(path.stat().st_size for path in (workspace.folder / "home").rglob("rows.raw"))
    assert planned["cache_bytes"] == rows
    written = sum(path.stat().st_size for path in (workspace.folder / "leaderboard").rglob("*") if path.is_file())
    assert written / 2 < planned["result_bytes"] < written * 2


def test_what_is_finished_or_cached_costs_nothing(plan, run_here):
    run_here(*PLAN, *BORDER, "--trials", 3)
    finished, more, fresh = (
        plan(*BORDER, "--trials", 3),
        plan(*BORDER, "--trials", 5),
        plan(*BORDER, "--trials", 3, "--fresh"),
    )
    assert [one["recipes"][0]["trials"] for one in (finished, more, fresh)] == [0, 2, 3]
    assert [one["recipes"][0]["features"] for one in (finished, more, fresh)] == ["cached"] * 3
    assert [one["cache_bytes"] for one in (finished, more, fresh)] == [0, 0, 0]
    assert finished["result_bytes"] == finished["undecoded"] == 0


def test_missing_weights_are_named(plan, run_here):
    named = plan(*BORDER, "--backbone", "vgg16")
    assert "is not on this machine and --plan forbids downloads" in named["recipes"][1]["features"]
    assert named["recipes"][1]["trials"] == 0
    skipped = plan("--backbone", "vgg*", *BORDER)
    assert skipped["skipped_backbones"] == ["vgg16", "vgg19"]
    printed = run_here(*PLAN, "--backbone", "vgg16", "--plan").stdout
    assert "not estimated: 1 recipes" in printed


def test_a_dataset_that_must_be_downloaded_is_named(run_here, workspace):
    done = run_here("run", "--data", "medmnist", "--plan", "--workers", 0)
    assert done.returncode == 2
    assert "is not on this machine and --plan forbids downloads" in done.stderr
    assert list(workspace.folder.iterdir()) == []


def test_a_backbone_that_fails_does_not_stop_the_plan(plan, workspace):
    (workspace.folder / "broken.py").write_text(
        "from cxrbench import Backbone, hookimpl\n\n\n@hookimpl\ndef register_backbones():\n"
        "    return [Backbone(name='broken', factory=f'{__name__}:build')]\n\n\n"
        "def build(*, input_shape, weights, seed):\n    raise OSError('no such server')\n"
    )
    found = plan(*BORDER, "--plugin", "broken.py", "--backbone", "broken")
    assert [recipe["recipe"] for recipe in found["recipes"]] == ["control-border+none+none", "broken+none+none"]
    assert found["recipes"][1] == {"recipe": "broken+none+none", "trials": 0, "features": "OSError: no such server"}


def test_the_printed_plan_has_time_and_disk(run_here):
    done = run_here(*PLAN, *BORDER, "--trials", 2, "--plan")
    assert "control-border+none+none" in done.stdout
    for fact in ("results", "images", "recipes", "trials", "time", "disk"):
        assert f"\n{fact}: " in done.stdout
    assert re.search(r"\ntime: about \d+ s\n", done.stdout)


@pytest.mark.parametrize(("trials", "unit"), [(20_000, "min"), (20_000_000, "h")])
def test_a_long_time_is_printed_in_minutes_or_hours(run_here, trials, unit):
    done = run_here(*PLAN, *BORDER, "--trials", trials, "--plan")
    assert re.search(rf"\ntime: about [\d.]+ {unit}\n", done.stdout)


def test_networks_that_are_trained_later_are_timed(plan, run_here, workspace):
    scratch = ("--backbone", "random-convnet", "--no-models", "--from-scratch", "random-convnet+none+none")
    planned = plan(*scratch, "--from-scratch-epochs", 1000)
    (network,) = planned["networks"]
    assert (network["network"], network["problem"]) == ("random-convnet+none+none@from-scratch", "")
    assert 0 < network["seconds"] < planned["seconds"]
    assert plan(*BORDER)["networks"] == []
    best = (*BORDER, "--backbone", "texture", "--backbone", "random-convnet", "--imbalance", "none", "--imbalance", "smote")
    once, texture = plan(*best, "--fine-tune", 2, "--fine-tune", "random-convnet+none+none", "--fine-tune-from", "auto")[
        "networks"
    ]
    assert once["network"] == "random-convnet+none+none@fine-tuned"
    assert texture["network"] == "texture+none+none@fine-tuned", "not with SMOTE, and no control"
    assert "Keras" in texture["problem"]
    printed = run_here(*PLAN, *best, "--fine-tune", 1, "--plan").stdout
    assert re.search(r"\nnetworks: random.convnet.none.none@fine.tuned: about", printed)
    assert list(workspace.folder.iterdir()) == []


def test_a_network_that_is_trained_costs_nothing(plan, run_here):
    one = ("--backbone", "random-convnet", "--trials", 1, "--fine-tune-trials", 1, "--fine-tune-epochs", 1, "--fine-tune", 1)
    run_here(*PLAN, *one)
    assert plan(*one)["networks"] == []
    (locked,) = plan(*one, "--fine-tune-epochs", 2)["networks"]
    assert "its test images are locked" in locked["problem"]
    (again,) = plan(*one, "--fine-tune-epochs", 2, "--fresh")["networks"]
    assert again["seconds"] > 0


def test_trials_in_a_database_need_not_be_run_again(plan, run_here, workspace):
    storage = ("--storage", f"sqlite:///{workspace.folder / 'studies.db'}")
    run_here(*PLAN, *BORDER, "--trials", 2, *storage)
    assert plan(*BORDER, "--trials", 3, *storage)["recipes"][0]["trials"] == 1
