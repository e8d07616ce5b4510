from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from cxrbench.leaderboard.describe import MEANINGS, describe
from cxrbench.plugin.contracts import Failure, Trial

PATH = Path("leaderboard/phantom/entries/texture+none+none.json")


def sections(entry, trials=()):
    return {title: dict(facts) for title, facts in describe(entry, PATH, trials).items()}


def test_every_kind_of_failure_has_a_meaning_and_a_remedy():
    assert MEANINGS.keys() == set(get_args(Failure))
    assert all(meaning and remedy for meaning, remedy in MEANINGS.values())


@pytest.mark.parametrize("failure", get_args(Failure))
def test_a_failed_entry_says_what_its_kind_means(make_entry, failure):
    entry = make_entry(reason="it went wrong", failure=failure, failed_params={"dropout": 1 / 3, "kind": "b"})
    shown = sections(entry)
    assert shown[entry.recipe]["reason"] == "it went wrong"
    meaning, remedy = MEANINGS[failure]
    assert shown["failure"] == {
        "kind": f"{failure}: {meaning}",
        "what to do": remedy,
        "parameters of the trial": "dropout 0.3333, kind b",
    }


def test_an_entry_of_an_earlier_version_is_shown_without_a_kind(make_entry):
    entry = make_entry(reason="it went wrong")
    shown = sections(entry)
    assert shown[entry.recipe]["status"] == "failed"
    assert "failure" not in shown


def test_failed_trials_are_grouped_by_kind(make_entry):
    trials = [
        Trial(number=number, params={"dropout": 0.25}, state="failed", failure=kind, reason=f"reason {number}")
        for number, kind in enumerate(["oom", "nan", "oom", None])
    ]
    pruned = Trial(number=4, params={}, state="pruned", batch_size=16)
    shown = sections(make_entry(begun={"s": {"failed": 4, "pruned": 1}}), [*trials, pruned])
    assert shown["trials"] == {
        "failed": "4",
        "pruned": "1",
        "failed, nan": "trial 1; the last with dropout 0.25: reason 1",
        "failed, oom": "trial 0, 2; the last with dropout 0.25: reason 2",
        "failed, unknown": "trial 3; the last with dropout 0.25: reason 3",
        "trained in smaller batches, to fit in memory": "4 (16)",
    }


def test_a_complete_entry_has_its_numbers_and_how_to_repeat_them(make_entry):
    shown = sections(make_entry(auc=0.75, predictions="predictions/texture+none+none.npz"))
    assert shown["test images, with 95 % intervals"]["auc"].startswith("0.7500")
    assert shown["files"]["predictions"] == "leaderboard/phantom/predictions/texture+none+none.npz"
    assert shown["files"]["reproduce"] == f"cxrbench reproduce {PATH} --data NAME|PATH"
    assert "failure" not in shown


def test_what_no_search_made_is_not_to_be_reproduced(make_entry):
    assert "reproduce" not in sections(make_entry(auc=0.75, kind="baseline"))["files"]


def test_devices_are_said_only_where_a_gpu_computed(make_entry):
    entry = make_entry(devices={"features": ("cpu", "gpu"), "training": ("cpu",)})
    assert type(entry).model_validate_json(entry.model_dump_json()) == entry
    shown = sections(entry)[entry.recipe]
    assert (shown["computed on, features"], shown["computed on, training"]) == ("cpu and gpu", "cpu")
    assert "devices" not in make_entry().model_dump()
