"""Evaluate a model on labelled images at its frozen threshold. Nothing is chosen on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.external import summarise_external
from cxrbench.benchmark.model.predict import NamedImage, predict
from cxrbench.data.audit.audit import check_classes
from cxrbench.data.dataset import check_records
from cxrbench.data.decoding.image_bytes import read_image
from cxrbench.errors import DataError
from cxrbench.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from cxrbench.benchmark.model.model import Model
    from cxrbench.benchmark.model.predict import Prediction
    from cxrbench.evaluation.summary import Summary
    from cxrbench.leaderboard.store.image_record import Part
    from cxrbench.plugin.contracts import Images, Record

    Scored: TypeAlias = tuple[Record, Prediction]

LEARNT_FROM: tuple[Part, ...] = ("train", "validation")
"""The validation images decided the threshold and the hyper-parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a model reached on some images.

    Attributes:
        negative, positive, patients: how many there are.
        summary: metrics and intervals; None if the images are of one class only.
    """

    negative: int
    positive: int
    patients: int
    summary: Summary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model reached on a dataset.

    Attributes:
        dataset: its name.
        everything: of all images that could be read.
        unseen: without the images that the model learnt from; None if there are no such images.
        parts: how many of the images are among those of each part of the model's own dataset.
        warned: how many images have another warning.
        unread: key and reason of each image that could not be read.
    """

    dataset: str
    everything: Figures
    unseen: Figures | None
    parts: dict[Part, int]
    warned: int
    unread: tuple[tuple[str, str], ...]


def evaluate(model: Model, images: Images, on_image: Callable[[], None] = lambda: None) -> Evaluation:
    """Score labelled images as `predict` does and summarise the scores as those of an external test set.

    Args:
        model: whose threshold is used.
        images: of a dataset plugin.
        on_image: called after each image.

    Raises:
        DataError: the classes have other names than the model's, or not all classes have images that can be read.
    """
    check_records(images.records)
    _require_same_classes(model, images)
    check_classes(images.name, np.array([record.label for record in images.records]), images.class_names)
    scored: list[Scored] = []
    unread: list[tuple[str, str]] = []
    named = (NamedImage(name=record.key, read=partial(read_image, images, record.key)) for record in images.records)
    for record, prediction in zip(images.records, predict(model, named), strict=True):
        if prediction.score is None:
            unread.append((prediction.name, prediction.reason))
        else:
            scored.append((record, prediction))
        on_image()
    check_classes(images.name, np.array([record.label for record, _ in scored], dtype=np.int64), images.class_names)
    return _evaluation(model, images.name, scored, unread)


def _require_same_classes(model: Model, images: Images) -> None:
    theirs, ours = images.class_names, model.record.class_names
    if (theirs.negative, theirs.positive) != (ours.negative, ours.positive):
        raise DataError(
            f"{images.name}: its classes are {theirs.negative} and {theirs.positive}, but the model tells {ours.negative} from "
            f"{ours.positive}. Name the classes of the dataset likewise if they mean the same"
        )


def _evaluation(model: Model, name: str, scored: Sequence[Scored], unread: Sequence[tuple[str, str]]) -> Evaluation:
    unseen = [one for one in scored if one[1].part not in LEARNT_FROM]
    counts = Counter(prediction.part for _, prediction in scored if prediction.part)
    return Evaluation(
        dataset=name,
        everything=_figures(model, scored),
        unseen=_figures(model, unseen) if len(unseen) < len(scored) else None,
        parts=dict(counts),
        warned=sum(len(prediction.warnings) > (prediction.part is not None) for _, prediction in scored),
        unread=tuple(unread),
    )


def _figures(model: Model, scored: Sequence[Scored]) -> Figures:
    positive = sum(record.label for record, _ in scored)
    has_both = 0 < positive < len(scored)
    return Figures(
        negative=len(scored) - positive,
        positive=positive,
        patients=len({record.patient for record, _ in scored}),
        summary=summarise_external(model.record.protocol, [_predictions(model, scored)]) if has_both else None,
    )


def _predictions(model: Model, scored: Sequence[Scored]) -> Predictions:
    return Predictions(
        subset="external",
        fold=0,
        seed=0,
        keys=np.array([record.key for record, _ in scored]),
        patients=np.array([record.patient for record, _ in scored]),
        labels=np.array([record.label for record, _ in scored], dtype=np.int64),
        scores=np.array([prediction.score for _, prediction in scored], dtype=np.float64),
        threshold=model.classifier.threshold,
    )
