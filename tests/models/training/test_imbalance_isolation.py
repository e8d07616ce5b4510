from __future__ import annotations

import numpy as np
import pytest

from cxrbench.errors import PluginError
from cxrbench.plugin.contracts import Fold
from cxrbench.plugin.host import load_host
from cxrbench.plugin.references import load_file

PARAMS = {"learning_rate": 1e-3, "dropout": 0.2}

PLUGIN = """
import numpy as np

from cxrbench.plugin import Balance, Imbalance, hookimpl

REACHED = []


@hookimpl
def register_imbalances():
    return [
        Imbalance(name="spy", factory=__name__ + ":spy", needs_features=True),
        Imbalance(name="blind-spy", factory=__name__ + ":spy"),
        Imbalance(name="vandal", factory=__name__ + ":vandal", needs_features=True),
        Imbalance(name="liar", factory=__name__ + ":liar", needs_features=True),
        Imbalance(name="blind-liar", factory=__name__ + ":liar"),
        Imbalance(name="forger", factory=__name__ + ":forger", needs_features=True),
    ]


def spy(*positional, **named):
    REACHED.clear()
    waiting = [*positional, *named.values()]
    seen = set()
    while waiting:
        thing = waiting.pop()
        if thing is None or id(thing) in seen:
            continue
        seen.add(id(thing))
        REACHED.append(thing)
        waiting += neighbours(thing)
    return Balance()


def neighbours(thing):
    if isinstance(thing, np.ndarray):
        return [thing.base]
    if isinstance(thing, memoryview):
        return [thing.obj]
    if isinstance(thing, dict):
        return [*thing, *thing.values()]
    if isinstance(thing, (list, tuple, set, frozenset)):
        return list(thing)
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*vars(thing).values()] if hasattr(thing, "__dict__") else [getattr(thing, name) for name in slots]


def vandal(fold, *, seed):
    fold.features[:] = 1e6
    return Balance()


def liar(fold, *, seed):
    fold.labels[0] = 1 - fold.labels[0]
    return Balance()


def forger(fold, *, seed, of=1):
    synthetic = fold.features[:of].copy()
    return Balance(indices=np.arange(of, len(fold.labels)), synthetic=(synthetic, 1 - fold.labels[:of]))
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "spies.py"
    file.write_text(PLUGIN, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "kinds"), [("spy", [Fold, int, np.ndarray, np.ndarray]), ("blind-spy", [Fold, int, np.ndarray])]
)
def test_the_training_rows_are_all_that_a_strategy_can_reach(make_job, plugin, tensorflow_ready, name, kinds):
    job = make_job(name, of_host=load_host([plugin]), views=2)
    job.train_trial(0, PARAMS)
    reached = load_file(plugin.resolve()).REACHED
    assert sorted(type(thing).__name__ for thing in reached) == sorted(kind.__name__ for kind in kinds)
    images, labels = job.train
    (fold,) = (thing for thing in reached if isinstance(thing, Fold))
    np.testing.assert_array_equal(fold.labels, labels)
    assert not np.shares_memory(fold.labels, labels)
    if name == "spy":
        np.testing.assert_array_equal(fold.features, job.views[0].gather(images))
        held_out = {row.tobytes() for row in job.views[0].gather(job.validation[0])}
        assert not held_out & {row.tobytes() for row in fold.features}
    else:
        assert fold.features is None
    for array in (thing for thing in reached if isinstance(thing, np.ndarray)):
        assert len(array) == len(images)
        assert array.base is None


def test_changes_to_the_features_of_a_strategy_have_no_effect(make_job, plugin, tensorflow_ready):
    job, honest = make_job("vandal", of_host=load_host([plugin])), make_job("none")
    features = job.views[0].gather(np.arange(80))
    for number in range(2):
        result, expected = job.train_trial(number, PARAMS), honest.train_trial(number, PARAMS)
        assert result.losses == expected.losses
        assert result.scores.tobytes() == expected.scores.tobytes()
    np.testing.assert_array_equal(job.views[0].gather(np.arange(80)), features)


@pytest.mark.parametrize("name", ["liar", "blind-liar"])
def test_a_strategy_that_alters_labels_in_place_is_refused(make_job, plugin, name):
    job = make_job(name, of_host=load_host([plugin]))
    labels, held_out = job.train[1].copy(), job.validation[1].copy()
    for _ in range(2):  # the error is not cached
        with pytest.raises(PluginError, match=f"imbalance {name} altered the labels that it was given"):
            job.train_trial(0, PARAMS)
    np.testing.assert_array_equal(job.train[1], labels)
    np.testing.assert_array_equal(job.validation[1], held_out)


@pytest.mark.parametrize("of", [1, 5])
def test_a_strategy_that_flips_the_labels_of_its_rows_is_refused(make_job, plugin, of):
    job = make_job(f"forger:of={of}", of_host=load_host([plugin]))
    with pytest.raises(PluginError, match=r"imbalance forger(:of=5)? returned a training row with an altered label"):
        job.train_trial(0, PARAMS)
