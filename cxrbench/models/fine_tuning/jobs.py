"""The calls of a worker process on whole networks: train a trial, freeze the selected network, compute logits of images."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.config.seeds import training_seed
from cxrbench.errors import ConfigError, CxrbenchError
from cxrbench.models.fine_tuning.network_file import read_network_weights, write_network_weights
from cxrbench.models.fine_tuning.origins import SelectedHeads
from cxrbench.models.training.curves import Curves
from cxrbench.models.training.frozen import FrozenModel, TrialResult, finite
from cxrbench.models.training.jobs import training_rows
from cxrbench.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.fine_tuning.checkpoint import Progress
    from cxrbench.models.fine_tuning.learning import LearningRows
    from cxrbench.models.fine_tuning.network import Network
    from cxrbench.models.fine_tuning.network_file import NetworkWeights
    from cxrbench.models.fine_tuning.origins import Build, Origin
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.models.training.jobs import HeadJob
    from cxrbench.models.training.rows import TrainingRows
    from cxrbench.plugin.contracts import Loss
    from cxrbench.plugin.specs import Augmentation, Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNetwork:
    """A network of a complete result, which must be scored on something new.

    Attributes:
        file: its weights.
        sha256: of the file.
        curves: of its training.
        devices: what it was trained on.
    """

    file: Path
    sha256: str
    curves: Curves
    devices: tuple[DeviceKind, ...]

    def read(self) -> NetworkWeights | None:
        """Return its weights, or None if the file is gone, damaged, or cannot be seen from this machine."""
        with suppress(CxrbenchError, OSError):
            return read_network_weights(self.file, self.sha256, within=self.file.parent)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkJob:
    """Everything that a worker needs to train networks of one recipe. Picklable, without test images and labels.

    Attributes:
        study: name of the study; jobs with the same name are equal.
        origin: what it starts from.
        head: a job of heads with the rows and the strategy of the networks.
        head_params: the parameters of the strategy, as the search of the heads selected them.
        backbone: of the recipe, with its pretrained weights.
        augmentation: of the training images; None for none.
        pixels: all images, uint8 ``[rows, size, size]``.
        maps: of all images at the cut of the origin: of the clean view and then of the augmented ones; empty without a cut.
        shifted: the validation images under each development shift: an array of them, and their rows in it.
        seed: the seed of each trial derives from it.
        folder: where epochs and finished networks are kept until the result is complete.
        kept: by repeat, the networks of the result if it is complete. They are not trained again.
    """

    study: str
    head: HeadJob = field(compare=False)
    head_params: Mapping[str, Value] = field(compare=False)
    origin: Origin = field(compare=False)
    backbone: FrozenBackbone = field(compare=False)
    augmentation: Part[Augmentation] | None = field(compare=False)
    pixels: ShardedArray = field(compare=False)
    configuration: TrainingConfiguration = field(compare=False)
    seed: int = field(compare=False)
    folder: Path = field(compare=False)
    maps: tuple[ShardedArray, ...] = field(default=(), compare=False)
    shifted: tuple[tuple[ShardedArray, NDArray[np.int64]], ...] = field(default=(), compare=False)
    kept: Mapping[int, KeptNetwork] = field(default_factory=dict, compare=False)

    @property
    def views(self) -> tuple[ShardedArray, ...]:
        """The images."""
        return (self.pixels,)

    @property
    def extracted(self) -> tuple[ShardedArray, ...]:
        """The features that it learns from: none."""
        return ()

    @property
    def validation(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the validation images, and their labels."""
        return self.head.validation

    @property
    def patients(self) -> NDArray[np.int64] | None:
        """Whose validation image it is."""
        return self.head.patients

    @property
    def validation_versions(self) -> tuple[tuple[ShardedArray, NDArray[np.int64]], ...]:
        """The validation images as they are and under each development shift."""
        return ((self.pixels, self.validation[0]), *self.shifted)

    def in_batches(self, batch_size: int) -> NetworkJob:
        """Return the job with another batch size, or itself if the size is the same."""
        if batch_size == self.configuration.batch_size:
            return self
        return replace(self, configuration=self.configuration.in_batches(batch_size))

    def train_trial(self, number: int, params: Mapping[str, Value], cut_offs: Sequence[float] = ()) -> TrialResult:
        """Train trial `number`, from the last epoch that was kept. No trial is pruned: there are too few of them."""
        del cut_offs
        start = time.perf_counter()
        progress = _trained(self, number, params, 0)
        losses = tuple(loss for loss in progress.losses if np.isfinite(loss))
        scores = _version_scores(self, self.origin.build(self.backbone).whole(progress.best_weights), progress.best_logits)
        seconds = max(time.perf_counter() - start, progress.seconds)  # of this process, or with those that were killed
        return TrialResult(losses=losses, scores=scores, seconds=seconds, pruned=False)

    def freeze(self, number: int, params: Mapping[str, Value], repeat: int = 0) -> FrozenModel:
        """Return the network of trial `number`, which is kept. Other repeats start from the head of another seed."""
        kept = self.kept.get(repeat)
        if kept and (whole := kept.read()):
            return self._frozen(kept, whole, _version_scores(self, whole))
        progress = _trained(self, number, params, repeat)
        whole, file = self.origin.build(self.backbone).whole(progress.best_weights), self.folder / f"{number}-{repeat}.network"
        sha256 = write_network_weights(file, whole)
        network = KeptNetwork(file=file, sha256=sha256, curves=_curves(progress), devices=progress.devices)
        return self._frozen(network, whole, _version_scores(self, whole, progress.best_logits))

    def _frozen(self, network: KeptNetwork, whole: NetworkWeights, scores: NDArray[np.float64]) -> FrozenModel:
        scorer = NetworkScorer(
            build=self.origin.build_to_score,
            backbone=self.backbone,
            file=network.file,
            sha256=network.sha256,
            parameters=sum(weights.size for weights in whole.head),
        )
        note = training_rows(self.head, self.head_params).note
        return FrozenModel(scorer=scorer, scores=scores, note=note, curves=network.curves, devices=network.devices)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkScorer:
    """A trained network.

    Attributes:
        build: what builds the network on a backbone.
        backbone: as the plugin builds it.
        file: the weights of all of it.
        sha256: of the file.
        parameters: the number of weights of its head.
    """

    build: Build
    backbone: FrozenBackbone
    file: Path
    sha256: str
    parameters: int

    def logits(self, view: ShardedArray, images: NDArray[np.int64], at_once: int) -> NDArray[np.float64]:
        """Return the logit of each image, a row of an array of images."""
        del at_once  # a network has less in memory than any head
        return self.build(self.backbone).logits_of_rows(_weights(self), view, images)

    def write(self, path: Path) -> str:
        """Copy the file of the weights, and return its SHA-256."""
        with atomic_write(path) as file:
            file.write(self.file.read_bytes())
        return self.sha256


def makes_synthetic_rows(job: HeadJob, params: Mapping[str, Value]) -> bool:
    """Return whether the imbalance strategy of a job makes rows of features that are of no image."""
    return bool(len(training_rows(job, params).synthetic))


def why_not_trainable(backbone: FrozenBackbone, where: float | str | None = None) -> str:
    """Return why a backbone cannot be trained, or cannot be cut there and trained above, or an empty string."""
    try:
        SelectedHeads(heads=(), where=where).build(backbone)
    except ConfigError as error:
        return str(error)
    return ""


def _trained(job: NetworkJob, number: int, params: Mapping[str, Value], repeat: int) -> Progress:
    from cxrbench.models.fine_tuning.trainer import Setting, Training

    rows, network = training_rows(job.head, job.head_params), job.origin.build(job.backbone)
    seed = training_seed(job.seed, number, repeat)
    training = Training(
        network=network,
        steps=_steps(network, rows.loss, job.configuration.batch_size),
        start=job.origin.start(job.backbone, repeat, seed),
        data=_data(job, rows),
        configuration=job.configuration,
        checkpoint=job.folder / f"{number}-{repeat}.progress",
        depends_on=job.study,
    )
    setting = Setting(
        learning_rate=float(params["learning_rate"]),
        layer_decay=float(params.get("layer_decay", 1.0)),
        dropout=float(params["dropout"]),
        weight_decay=float(params["weight_decay"]),
        seed=seed,
    )
    return job.origin.train(training, setting)


def _data(job: NetworkJob, rows: TrainingRows) -> LearningRows:
    from cxrbench.models.fine_tuning.maps import MapRows
    from cxrbench.models.fine_tuning.trainer import ImageRows

    shared: dict[str, Any] = {
        "rows": rows.rows,
        "labels": rows.labels,
        "weights": rows.weights,
        "validation": job.validation,
        "followed": _followed(job),
    }
    if job.maps:
        return MapRows(views=job.maps, **shared)
    return ImageRows(pixels=job.pixels, augmentation=job.augmentation, **shared)


def _followed(job: NetworkJob) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return as many training images as there are validation images, and their labels."""
    rows, labels = job.head.train
    chosen = np.random.default_rng(job.seed).permutation(len(rows))[: len(job.validation[0])]
    return rows[chosen], labels[chosen]


def _curves(progress: Progress) -> Curves:
    """Return what is known of each epoch with a finite loss, the start among them if it is a candidate."""
    losses = [loss for loss in progress.losses if np.isfinite(loss)]
    train_loss, train_accuracy, validation_accuracy = zip(*progress.followed[: len(losses)], strict=True)
    return Curves(
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        validation_loss=tuple(losses),
        validation_accuracy=validation_accuracy,
    )


def _version_scores(
    job: NetworkJob, whole: NetworkWeights, validated: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return the scores of the validation images in each version.

    Args:
        job: of the network.
        whole: its weights.
        validated: logits of the images as they are, if the training computed them. Maps are rounded: what learnt from them
            scores the images themselves.
    """
    from cxrbench.models.training.trainer import sigmoid

    network = job.origin.build_to_score(job.backbone)
    weights = network.weights_of(whole)
    known = [] if job.maps or validated is None else [validated]
    rest = (network.logits_of_rows(weights, view, rows) for view, rows in job.validation_versions[len(known) :])
    return np.stack([finite(sigmoid(logits)) for logits in (*known, *rest)])


@lru_cache(maxsize=1)
def _steps(network: Network, loss: Loss, batch_size: int) -> NetworkSteps:
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.losses import loss_function

    return NetworkSteps(network, loss_function(loss), batch_size)


@lru_cache(maxsize=2)
def _weights(scorer: NetworkScorer) -> list[Any]:
    network = read_network_weights(scorer.file, scorer.sha256, within=scorer.file.parent)
    return scorer.build(scorer.backbone).weights_of(network)
