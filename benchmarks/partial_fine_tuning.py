"""Compare training all of a network with training its upper part on cached maps: AUC, processor time and bytes.

    KERAS_HOME=../shared/keras_home python benchmarks/partial_fine_tuning.py --data ../shared/data/chest_xray [--images 1500]

All start from the same head, with the same setting and seed, on the same grouped split in one thread. Without augmentation, all
of the network is compared with cuts at a quarter, half and three quarters of the multiplications. With `gentle`, which is drawn
anew in each epoch or cached in so many views, it is compared with the cuts of `--gentle`, and with all of the network if images
stay as they are as often as the cached views are clean (`mixed`). Differences of test AUC are to the first row, with 95 %
intervals over patients. Time is that of the processor.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
from starting_head import SIZE, Task, part_of, prepare

from cxrbench.config.seeds import augmentation_seed
from cxrbench.data.batches import BATCH, checked_change, padded_batches
from cxrbench.evaluation.metrics import auc
from cxrbench.evaluation.predictions import Predictions
from cxrbench.evaluation.ranking import Resampled, resample
from cxrbench.models.features.extraction import as_augmentation
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.plugin import Augmentation
from cxrbench.storage.sharded_array import ShardedArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from cxrbench.config.part import Part
    from cxrbench.models.fine_tuning.learning import LearningRows
    from cxrbench.models.fine_tuning.network import Network

ALL, MIXED = "all", "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedRows:
    """Images that are augmented anew, but for a random share of them in each epoch.

    Attributes:
        clean_share: of images that stay as they are.
    """

    images: Any
    clean_share: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.images, name)

    def inputs(self, seed: int, epoch: int, batch: int) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """Return a function of numbers in `rows` to images."""
        clean, augmented = (one.inputs(seed, epoch, batch) for one in (replace(self.images, augmentation=None), self.images))
        stays = np.random.default_rng([seed % 2**32, epoch]).random(len(self.images.rows)) < self.clean_share
        return lambda block: np.where(stays[block][:, None, None, None], clean(block), augmented(block))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a training reached and took; seconds are of the processor.

    Attributes:
        losses, aucs: of the validation images, before the first epoch and after each.
        best: the epoch that was kept.
        test: its scores of the test images.
        scoring: seconds of the validation.
        maps: seconds and bytes of each view.
    """

    name: str
    losses: tuple[float, ...]
    aucs: tuple[float, ...]
    best: int
    test: NDArray[np.float64]
    training: float
    scoring: float
    building: float
    weights: int
    maps: tuple[float, int, int] = (0.0, 0, 0)


def main() -> None:
    """Print a Markdown table for each augmentation."""
    arguments = _arguments()
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        task = prepare(arguments, Path(folder))
        sizes = ", ".join(
            f"{len(part)} {name}" for name, part in zip(("training", "validation", "test"), _parts(task), strict=True)
        )
        print(f"{machine.describe()}\n\n{arguments.backbone}, images: {sizes}; {_setting(arguments)}\n", flush=True)
        _report(task, "no augmentation", _measured(task, None, arguments.plain))
        if arguments.gentle:
            gentle = part_of("gentle", Augmentation)
            _report(task, f"gentle, {arguments.views} cached views", _measured(task, gentle, arguments.gentle))


def _measured(task: Task, augmentation: Part[Augmentation] | None, cuts: list[str]) -> Iterator[Measured]:
    for text in cuts:
        yield _all(task, augmentation, text) if text in {ALL, MIXED} else _upper(task, augmentation, float(text))


def _all(task: Task, augmentation: Part[Augmentation] | None, name: str) -> Measured:
    from cxrbench.models.fine_tuning.network import network_on_images
    from cxrbench.models.fine_tuning.trainer import ImageRows

    data: Any = ImageRows(pixels=task.dataset.pixels.array, augmentation=augmentation, **_common(task))
    if name == MIXED:
        data = MixedRows(images=data, clean_share=1 / (1 + task.arguments.views))
    return _trained(task, name, data, lambda: network_on_images(task.backbone.build_anew(), SIZE))


def _upper(task: Task, augmentation: Part[Augmentation] | None, share: float) -> Measured:
    from cxrbench.models.fine_tuning.cut import cut
    from cxrbench.models.fine_tuning.maps import DTYPE, MapRows, frozen_part, maps_of
    from cxrbench.models.fine_tuning.network import network_on_maps

    parts, pixels = cut(task.backbone.build_anew(), SIZE, share), task.dataset.pixels.array
    views: list[ShardedArray] = []
    start = time.process_time()
    lower = frozen_part(parts)
    for view in range(1 + (task.arguments.views if augmentation else 0)):
        folder = task.folder / f"{share}-{bool(augmentation)}-{view}"
        maps, augment = ShardedArray(folder=folder, rows=pixels.rows, dtype=DTYPE), _of_view(task, augmentation, view)
        for shard in range(maps.shards):
            images = pixels.read(*maps.bounds(shard))
            maps.write(shard, maps_of(map(augment(shard), padded_batches(images)), len(images), lower))
        views.append(maps)
    seconds = (time.process_time() - start) / len(views)
    data = MapRows(views=tuple(views), **_common(task))
    found = _trained(task, f"above {parts.share:.0%} ({_shape(parts.lower.output)})", data, lambda: network_on_maps(parts))
    return replace(found, maps=(seconds, 2 * parts.values * pixels.rows, len(views)))


def _of_view(task: Task, augmentation: Part[Augmentation] | None, view: int) -> Callable[[int], Any]:
    """Return what makes the augmentation of each shard, as that of features."""
    if augmentation is None or view == 0:
        return lambda _: lambda images: images
    shape = (SIZE, SIZE, 1)

    def of_shard(shard: int) -> Any:
        built = augmentation.build(input_shape=shape, seed=augmentation_seed(task.arguments.seed, view, shard))
        return checked_change("gentle", as_augmentation(built, (BATCH, *shape)))

    return of_shard


def _common(task: Task) -> dict[str, Any]:
    labels, split = task.dataset.labels, task.split
    return {
        "rows": split.train,
        "labels": labels[split.train].astype(np.float32),
        "weights": np.ones(len(split.train), dtype=np.float32),
        "validation": (split.validation, labels[split.validation]),
        "followed": (split.train[:8], labels[split.train[:8]]),
    }


def _trained(task: Task, name: str, data: LearningRows, build: Callable[[], Network]) -> Measured:
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.fine_tuning.trainer import Training, fine_tune
    from cxrbench.models.training.losses import cross_entropy

    arguments, start = task.arguments, time.process_time()
    network = build()
    training = Training(
        network=network,
        steps=NetworkSteps(network, cross_entropy, BATCH),
        start=network.weights_with(task.head),
        data=data,
        configuration=TrainingConfiguration(epochs=arguments.epochs, batch_size=BATCH, patience=arguments.epochs),
        checkpoint=task.folder / "progress",
        depends_on=f"{name} {time.time()}",
    )
    built = time.process_time()
    scored, seconds = _recorded(network, data.validation)
    progress = fine_tune(training, _setting(arguments))
    end = time.process_time()
    scoring, aucs = sum(seconds), tuple(scored)
    return Measured(
        name=name,
        losses=progress.losses,
        aucs=aucs,
        best=progress.best,
        test=network.logits_of_rows(progress.best_weights, data.clean, task.split.test),
        training=end - built - scoring,
        scoring=scoring,
        building=built - start,
        weights=sum(one.size for one in progress.best_weights),
    )


def _recorded(network: Network, validation: tuple[NDArray[np.int64], NDArray[np.int64]]) -> tuple[list[float], list[float]]:
    """Return lists to which the network adds the AUC of the validation images, and the seconds, whenever it scores images."""
    aucs: list[float] = []
    seconds: list[float] = []
    score, (images, labels) = network.logits_of_rows, validation

    def recording(weights: Any, array: ShardedArray, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        start = time.process_time()
        logits = score(weights, array, rows)
        seconds.append(time.process_time() - start)
        if rows is images:
            aucs.append(auc(labels, logits))
        return logits

    network.logits_of_rows = recording  # type: ignore[method-assign]
    return aucs, seconds


def _setting(arguments: argparse.Namespace) -> Any:
    from cxrbench.models.fine_tuning.trainer import Setting

    return Setting(
        learning_rate=arguments.learning_rate,
        layer_decay=arguments.layer_decay,
        dropout=0.3,
        weight_decay=1e-3,
        seed=arguments.seed,
    )


def _report(task: Task, title: str, measured: Iterator[Measured]) -> None:
    headings = ("learns", "weights", "validation loss", "validation AUC", "epoch", "test AUC", "to the first")
    seconds = ("build s", "training s", "validation s", "maps s a view", "maps MB a view", "views")
    print(f"{title}\n\n| {' | '.join((*headings, *seconds))} |\n{'|---' * len((*headings, *seconds))}|", flush=True)
    done: dict[str, list[Predictions]] = {}
    for number, one in enumerate(measured):
        done[one.name] = [_predictions(task, one.test)]
        resampled = resample(done, {"auc"}, seed=0, prevalence=0.1)
        first = next(iter(done))
        cells = (
            one.name,
            f"{one.weights:,}",
            " ".join(f"{loss:.4f}" for loss in one.losses),
            " ".join(f"{value:.4f}" for value in one.aucs),
            f"{one.best}",
            f"{auc(done[one.name][0].labels, one.test):.4f}",
            _difference(resampled, one.name, first) if number else "",
            *(
                f"{value:.0f}"
                for value in (one.building, one.training, one.scoring, one.maps[0], one.maps[1] / 1e6, one.maps[2])
            ),
        )
        print(f"| {' | '.join(cells)} |", flush=True)
    print(flush=True)


def _difference(resampled: Resampled, name: str, other: str) -> str:
    found = resampled.difference(name, other, "auc")
    return f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"


def _predictions(task: Task, scores: NDArray[np.float64]) -> Predictions:
    test, dataset = task.split.test, task.dataset
    from cxrbench.models.training.trainer import sigmoid

    return Predictions(
        subset="test",
        fold=0,
        seed=0,
        keys=np.array([dataset.records[row].key for row in test]),
        patients=dataset.patients[test],
        labels=dataset.labels[test],
        scores=sigmoid(scores),
        threshold=0.5,
    )


def _parts(task: Task) -> tuple[NDArray[np.int64], ...]:
    return task.split.train, task.split.validation, task.split.test


def _shape(tensor: Any) -> str:
    return " x ".join(map(str, tensor.shape[1:]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--folder", type=Path, help="where maps are kept while it runs")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--backbone", default="mobilenet:alpha=0.25")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--layer-decay", type=float, default=0.3)
    parser.add_argument("--plain", nargs="*", default=[ALL, "0.25", "0.5", "0.75"])
    parser.add_argument("--gentle", nargs="*", default=[ALL, MIXED, "0.5"])
    parser.add_argument("--views", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
