"""The records of a small run, as observers are given them: complete, pruned and failed trials, results and failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.component import Component
from cxrbench.config.part import Origin, Part
from cxrbench.config.protocol import Protocol
from cxrbench.config.recipe import Recipe
from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.prediction_table import write_predictions
from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.summary import summarise
from cxrbench.leaderboard.publish import publish
from cxrbench.leaderboard.store.entry import Confusion, DatasetFacts, Entry, FoldResult, HeadResult, PartCounts
from cxrbench.leaderboard.store.folder import ProtocolFolder
from cxrbench.plugin.contracts import Trial
from cxrbench.plugin.specs import Augmentation, Backbone, Imbalance
from cxrbench.storage.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FINGERPRINT = "f" * 64
STUDY = "5" * 64
IMAGES = 60
THRESHOLD = 0.5
PARAMS = {"learning_rate": 0.001, "dropout": 0.5, "threshold": THRESHOLD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One call of a callback.

    Attributes:
        hook: the name of the hook.
        words: what happened.
        arguments: all arguments of the hook.
    """

    hook: str
    words: str
    arguments: Mapping[str, Any]


def events_of_runs(out: Path) -> list[Event]:
    """Return the events of `cxrbench ensemble`, of a run and of a run with nothing to do, with boards in the folder `out`."""
    protocol = _protocol()
    store = ProtocolFolder(out=out, protocol=protocol)
    complete, failed = _complete("texture+none+none", "texture", protocol), _failed(protocol)
    ensemble = complete.model_copy(update={"kind": "ensemble", "recipe": "ensemble", "predictions": "predictions/ensemble.npz"})
    store.write_protocol()
    for entry in (complete, failed):
        store.add(entry.name, entry)
    write_predictions(store.predictions(complete.recipe), [_scores()])
    recipes, board = tuple(map(_recipe, ("texture", "vgg16"))), publish(store)
    trials = {
        "a complete trial": Trial(number=0, params=PARAMS, state="complete", value=0.9, losses=(0.6, 0.5), seconds=1.5),
        "a pruned trial": Trial(number=1, params={"learning_rate": 0.01, "dropout": 0.0}, state="pruned", losses=(0.9,)),
        "a failed trial": Trial(number=2, params=PARAMS, state="failed", failure="oom", reason="out of memory", log=("lost",)),
    }
    return [
        Event(hook="on_entry", words="an ensemble, without a run before it", arguments={"entry": ensemble}),
        Event(hook="on_run_start", words="a run", arguments={"protocol": protocol, "recipes": recipes}),
        *(
            Event(hook="on_trial_end", words=words, arguments={"recipe": recipes[0], "stage": "head", "trial": trial})
            for words, trial in trials.items()
        ),
        Event(hook="on_entry", words="a result", arguments={"entry": complete}),
        Event(hook="on_entry", words="a recipe that failed", arguments={"entry": failed}),
        Event(hook="on_run_end", words="a run", arguments={"board": board}),
        Event(hook="on_run_start", words="a run with nothing to do", arguments={"protocol": protocol, "recipes": ()}),
        Event(hook="on_run_end", words="a run with nothing to do", arguments={"board": board}),
    ]


def _protocol() -> Protocol:
    return Protocol(
        dataset="drawn",
        fingerprint=FINGERPRINT,
        notice="drawn records: a check of a plugin, not a result",
        split="grouped",
        image_size=64,
        resize="stretch",
        precision="float32",
        seed=0,
        engine="optuna",
        trials=3,
        metric="auc",
        threshold="max-f1",
        epochs=2,
        batch_size=32,
        patience=2,
        pruning="none",
    )


def _recipe(backbone: str) -> Recipe:
    def part(spec: Any) -> Part[Any]:
        component = Component(name=spec.name)
        origin = Origin(package="a-package", version="1.0", source="")
        return Part(component=component, canonical=component, declared="", spec=spec, origin=origin)

    return Recipe(
        backbone=part(Backbone(name=backbone, factory="module:backbone")),
        augmentation=part(Augmentation(name="none", factory="module:augmentation", views=0)),
        imbalance=part(Imbalance(name="none", factory="module:imbalance")),
    )


def _scores() -> Predictions:
    """Return the scores of a head for test images, one image a patient."""
    generator, labels = np.random.default_rng(0), np.arange(IMAGES) % 2
    names = np.array([f"image-{number}.png" for number in range(IMAGES)])
    scores = 1 / (1 + np.exp(1 - 2 * labels - generator.normal(size=IMAGES)))
    return Predictions(subset="test", fold=0, seed=0, keys=names, patients=names, labels=labels, scores=scores)


def _complete(recipe: str, backbone: str, protocol: Protocol) -> Entry:
    """Return an entry whose numbers are those of its scores."""
    tested = _scores().at(THRESHOLD)
    summary = summarise([tested], seed=protocol.seed, prevalence=protocol.prevalence)
    of_head = metrics(tested.labels, tested.scores, THRESHOLD, prevalence=protocol.prevalence)
    counts = Confusion(**confusion(tested.labels, tested.scores, THRESHOLD))
    head = HeadResult(seed=0, threshold=THRESHOLD, selection="a" * 64, confusion=counts, metrics=of_head)
    fold = FoldResult(
        fold=0,
        study=STUDY,
        selected_trial=0,
        params={"learning_rate": 0.001, "dropout": 0.5},
        validation={"auc": 0.9},
        trials={"complete": 1, "pruned": 1, "failed": 1},
        heads=(head,),
    )
    return Entry(
        **_names(recipe, backbone, protocol),
        status="complete",
        metrics=summary.metrics,
        intervals=summary.intervals,
        selected_by="auc",
        folds=(fold,),
        seconds={"features": 1.5, "search": 4.5, "elapsed": 6.5},
        dataset=_facts(),
        predictions=f"predictions/{recipe}.npz",
    )


def _failed(protocol: Protocol) -> Entry:
    return Entry(
        **_names("vgg16+none+none", "vgg16", protocol),
        status="unavailable",
        reason="vgg16.h5 is not on this machine and --offline forbids downloads",
        failure="unavailable",
        dataset=_facts(),
    )


def _names(recipe: str, backbone: str, protocol: Protocol) -> dict[str, Any]:
    names = {"recipe": recipe, "backbone": backbone, "augmentation": "none", "imbalance": "none", "data": "phantom"}
    return {**names, "protocol": protocol, "control": False, "study": STUDY, "versions": all_versions()}


def _facts() -> DatasetFacts:
    part = PartCounts(
        train_negative=90,
        train_positive=90,
        validation_negative=30,
        validation_positive=30,
        test_negative=IMAGES // 2,
        test_positive=IMAGES // 2,
    )
    counts = {"negative": 150, "positive": 150, "patients": 300, "skipped": 0}
    return DatasetFacts(name="drawn", fingerprint=FINGERPRINT, folds=(part,), **counts)
