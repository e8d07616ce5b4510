"""Time samples of a run's work in a worker: batches of images through a backbone, and a head on random features."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.data.batches import BATCH
from cxrbench.models.features.extraction import extract, images_at_once
from cxrbench.models.training.jobs import HeadJob
from cxrbench.storage.sharded_array import ShardedArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.plugin.specs import Imbalance

MOST_SAMPLED_ROWS = 4096
MOST_SAMPLED_VALUES = 2**24
"""Features of a sample, 64 MB; the time of more rows or values is extrapolated."""
SAMPLED_EPOCHS = 3
PARAMS = {"learning_rate": 1e-4, "dropout": 0.35}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionTime:
    """The time that one view takes in one worker.

    Attributes:
        setup: seconds to build and compile the backbone.
        per_image: seconds.
        width: features per image.
    """

    setup: float
    per_image: float
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSample:
    """What the time of a trial depends on.

    Attributes:
        width: features per image.
        views: number of views.
        imbalance: the strategy.
        train, validation: number of images of each class: negative, positive.
    """

    width: int
    views: int
    imbalance: Part[Imbalance]
    train: tuple[int, int]
    validation: tuple[int, int]
    configuration: TrainingConfiguration


def time_extraction(extraction: Extraction) -> ExtractionTime:
    """Extract random images twice, as many as are computed at once; the first time also builds and compiles the backbone."""
    seconds, size = [], extraction.pixels.size
    for _ in range(2):
        start = time.perf_counter()
        at_once = images_at_once(extraction)
        images = np.random.default_rng(0).integers(256, size=(at_once, size, size), dtype=np.uint8)
        features = extract(extraction, images, at_once=at_once)
        seconds.append(time.perf_counter() - start)
    return ExtractionTime(setup=max(0.0, seconds[0] - seconds[1]), per_image=seconds[1] / at_once, width=features.shape[1])


def time_backbone(backbone: FrozenBackbone, seconds: float) -> ExtractionTime:
    """Time whole batches of random images for at least `seconds`, after one that also builds and compiles the backbone."""
    shape = (BATCH, backbone.size, backbone.size, 1)
    images = np.random.default_rng(0).integers(256, size=shape).astype(np.float32)
    start = time.perf_counter()
    width = backbone.features(images).shape[1]
    first, calls = time.perf_counter() - start, 0
    start = time.perf_counter()
    while not calls or time.perf_counter() - start < seconds:
        backbone.features(images)
        calls += 1
    per_call = (time.perf_counter() - start) / calls
    return ExtractionTime(setup=max(0.0, first - per_call), per_image=per_call / BATCH, width=width)


def time_trial(sample: TrialSample) -> float:
    """Return the seconds of a trial that trains for all epochs, from one of a few epochs on random features."""
    configuration = replace(sample.configuration, epochs=SAMPLED_EPOCHS, patience=SAMPLED_EPOCHS)
    rows = sum(sample.train) + sum(sample.validation)
    share = min(1.0, MOST_SAMPLED_ROWS / rows, MOST_SAMPLED_VALUES / sample.width / rows)
    train, validation = (_labels(counts, share) for counts in (sample.train, sample.validation))
    with tempfile.TemporaryDirectory() as folder:
        view = _random_features(Path(folder), len(train) + len(validation), sample.width)
        job = HeadJob(
            study=folder,
            views=(view,) * sample.views,
            imbalance=sample.imbalance,
            train=(np.arange(len(train)), train),
            validation=(np.arange(len(train), view.rows), validation),
            configuration=configuration,
            seed=0,
        )
        job.train_trial(0, PARAMS)  # compiles the head and calls the strategy
        result = job.train_trial(1, PARAMS)
    return result.seconds / share / len(result.losses) * sample.configuration.epochs


def _labels(counts: tuple[int, int], share: float) -> NDArray[np.int64]:
    kept = [max(1, round(count * share)) for count in counts]
    return np.random.default_rng(0).permutation(np.repeat([0, 1], kept))


def _random_features(folder: Path, rows: int, width: int) -> ShardedArray:
    view, generator = ShardedArray(folder=folder, rows=rows, dtype="float32"), np.random.default_rng(0)
    for shard in range(view.shards):
        start, stop = view.bounds(shard)
        view.write(shard, [generator.random((stop - start, width), dtype=np.float32)])
    return view
