"""Train a network on images, from the selected head or from random weights, with early stopping."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.config.seeds import augmentation_seed
from cxrbench.execution.keras_process import device_of_keras
from cxrbench.models.fine_tuning.augmentation import drawn_from
from cxrbench.models.fine_tuning.checkpoint import Progress, read_progress, write_progress
from cxrbench.models.fine_tuning.rates import learning_rates
from cxrbench.models.fine_tuning.steps import Rates
from cxrbench.models.training.head import noise
from cxrbench.models.training.trainer import TrainingFailed, mean_cross_entropy
from cxrbench.storage.files import digest, seed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.fine_tuning.learning import LearningRows
    from cxrbench.models.fine_tuning.network import Network
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.plugin.specs import Augmentation
    from cxrbench.storage.sharded_array import ShardedArray

    Array = NDArray[np.float32]

CLEAN = 1 / 3
"""Share of the images of an epoch that are not augmented. On augmented ones alone no network got below the loss of its head."""
BATCHES_AT_ONCE = 8
"""Batches whose images are in memory, and are trained on in one compiled call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRows:
    """What a network learns from and is validated on.

    Attributes:
        pixels: uint8 ``[rows, size, size]``.
        rows: int ``[m]``, training images as the imbalance strategy chose them; an image may occur several times.
        labels, weights: float32 ``[m]``.
        validation: rows of the validation images, and their labels.
        followed: training images whose loss is measured after each epoch, likewise, as they are.
        augmentation: of the training images, drawn anew for each image and epoch; None for none.
    """

    pixels: ShardedArray
    rows: NDArray[np.int64]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    validation: tuple[NDArray[np.int64], NDArray[np.int64]]
    followed: tuple[NDArray[np.int64], NDArray[np.int64]]
    augmentation: Part[Augmentation] | None

    @property
    def clean(self) -> ShardedArray:
        """The images."""
        return self.pixels

    def inputs(self, seed: int, epoch: int, batch: int) -> Callable[[NDArray[np.int64]], Array]:
        """Return a function of numbers in `rows` to their images, each augmented anew in each epoch, or left as it is."""
        shape, seed_of_epoch = (batch, *self.pixels.row_shape(), 1), augmentation_seed(seed, epoch, 0)
        augment = drawn_from(self.augmentation, seed_of_epoch, shape) if self.augmentation else None
        generator = np.random.default_rng(seed_from(seed, "clean", epoch))

        def images_of(block: NDArray[np.int64]) -> Array:
            images = self.pixels.gather(self.rows[block])
            augmented = np.concatenate(list(_augmented(images, augment, batch)))
            clean = generator.random(len(block)) < CLEAN
            augmented[clean] = images[clean, ..., None]
            return augmented

        return images_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the search chooses for a training, and its seed.

    Attributes:
        learning_rate: the highest, of the last layer.
        layer_decay: share of it at the first layer; 1 from random weights, where no layer has learnt anything yet.
        dropout: of the head's hidden units.
        weight_decay: as in `Rates`.
        seed: of row order, augmentation and dropout; each epoch has its own.
    """

    learning_rate: float
    layer_decay: float = 1.0
    dropout: float
    weight_decay: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training of a network.

    Attributes:
        network: that learns.
        steps: its compiled steps.
        start: the weights that it starts from, as `Network.weights_with` or `Network.weights_of` returns them.
        data: what it learns from.
        configuration: epochs, batch size and patience.
        checkpoint: file that is written after each epoch and continued from.
        depends_on: hash of what the caller made network and data from.
    """

    network: Network
    steps: NetworkSteps
    start: Sequence[Array]
    data: LearningRows
    configuration: TrainingConfiguration
    checkpoint: Path
    depends_on: str


def fine_tune(training: Training, setting: Setting) -> Progress:
    """Train from a head, or continue such a training, and return what the last epoch reached.

    The result is never worse than the head: epoch zero, the start, is a candidate for the best epoch.

    Each epoch depends on the state that the epoch before left, on the setting and on its number. So a training that was killed
    and continued gives the same weights, bit by bit, where the machine computes the same way.
    """
    return _train(training, setting, _validated_start)


def train_from_scratch(training: Training, setting: Setting) -> Progress:
    """Train from random weights, or continue such a training, and return what the last epoch reached.

    All is as in `fine_tune`, but that the random network itself is no candidate: the loss of epoch zero is infinite.

    Raises:
        TrainingFailed: the validation loss was not finite after the first epoch.
    """
    progress = _train(training, setting, _start_without_candidate)
    if progress.best == 0:
        rate = f"learning rate {setting.learning_rate:.2g}"
        raise TrainingFailed(f"the validation loss was {progress.losses[1]} after the first epoch ({rate})")
    return progress


def _train(training: Training, setting: Setting, start: Callable[[Training], Progress]) -> Progress:
    identity = digest([training.depends_on, repr(setting), repr(training.configuration)])
    rates = Rates(shares=training.network.shares(setting.layer_decay), weight_decay=setting.weight_decay)
    training.network.set_dropout(setting.dropout)
    training.network.set_seed(setting.seed)
    if progress := read_progress(training.checkpoint, identity):
        if progress.state:
            training.steps.restore(progress.state, rates)
    else:
        training.steps.reset(training.start, rates)
        progress = start(training)
    per_epoch = -(-len(training.data.rows) // training.configuration.batch_size)
    schedule = learning_rates(setting.learning_rate, per_epoch * training.configuration.epochs).reshape(-1, per_epoch)
    while not _is_finished(progress, training.configuration):
        begin, epoch = time.perf_counter(), len(progress.losses)
        _train_epoch(training, setting, epoch, schedule[epoch - 1])
        progress = _after_epoch(training, progress)
        progress = replace(progress, seconds=progress.seconds + time.perf_counter() - begin)
        if _is_finished(progress, training.configuration):
            progress = replace(progress, state=())
        write_progress(training.checkpoint, progress, identity)
    return progress


def _validated_start(training: Training) -> Progress:
    logits, loss, followed = _validated(training, training.start)
    return Progress(
        losses=(loss,),
        best=0,
        best_weights=training.start,
        best_logits=logits,
        state=training.steps.state,
        followed=(followed,),
        devices=(device_of_keras(),),
    )


def _start_without_candidate(training: Training) -> Progress:
    return Progress(losses=(np.inf,), best=0, best_weights=(), best_logits=np.empty(0), state=training.steps.state)


def _is_finished(progress: Progress, configuration: TrainingConfiguration) -> bool:
    epochs = len(progress.losses) - 1
    patient = epochs - progress.best < configuration.patience
    diverged = epochs > 0 and not np.isfinite(progress.losses[-1])
    return epochs >= configuration.epochs or not patient or diverged


def _train_epoch(training: Training, setting: Setting, epoch: int, rates: Array) -> None:
    """Take one step per batch, over all rows in random order."""
    data, batch = training.data, training.configuration.batch_size
    generator = np.random.default_rng(seed_from(setting.seed, "epoch", epoch))
    inputs = data.inputs(setting.seed, epoch, batch)
    order = generator.permutation(len(data.rows))
    for number in range(0, len(rates), BATCHES_AT_ONCE):
        block = order[number * batch : (number + BATCHES_AT_ONCE) * batch]
        drawn = noise(len(block), generator)
        training.steps.take(
            inputs(block), drawn, data.labels[block], data.weights[block], rates[number : number + BATCHES_AT_ONCE]
        )


def _augmented(images: NDArray[np.uint8], augment: ImageBatches | None, batch: int) -> Iterator[Array]:
    """Yield float32 ``[n, size, size, 1]``, batch by batch; an augmentation always gets whole batches."""
    for start in range(0, len(images), batch):
        part = images[start : start + batch, ..., None].astype(np.float32)
        if augment is None:
            yield part
        else:
            missing = batch - len(part)
            yield augment(np.concatenate([part, np.repeat(part[:1], missing, axis=0)]))[: len(part)].clip(0, 255)


def _after_epoch(training: Training, progress: Progress) -> Progress:
    weights: Sequence[Array] = training.steps.averages
    logits, loss, followed = _validated(training, weights)
    losses = (*progress.losses, loss)
    if np.isfinite(loss) and loss < progress.losses[progress.best]:
        best, best_weights, best_logits = len(losses) - 1, weights, logits
    else:
        best, best_weights, best_logits = progress.best, progress.best_weights, progress.best_logits
    return Progress(
        losses=losses,
        best=best,
        best_weights=best_weights,
        best_logits=best_logits,
        state=training.steps.state,
        followed=(*progress.followed, followed),
        devices=tuple(dict.fromkeys((*progress.devices, device_of_keras()))),
        seconds=progress.seconds,
    )


def _validated(training: Training, weights: Sequence[Array]) -> tuple[NDArray[np.float64], float, tuple[float, float, float]]:
    """Return the logits of the validation images under these weights, their cross-entropy, and what `Progress` follows."""

    def logits_of(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return training.network.logits_of_rows(weights, training.data.clean, rows)

    (images, labels), (some, some_labels) = training.data.validation, training.data.followed
    logits, of_some = logits_of(images), logits_of(some)
    followed = (mean_cross_entropy(some_labels, of_some), _accuracy(some_labels, of_some), _accuracy(labels, logits))
    return logits, mean_cross_entropy(labels, logits), followed


def _accuracy(labels: NDArray[np.int64], logits: NDArray[np.float64]) -> float:
    return float(np.mean((logits >= 0) == (labels == 1)))
