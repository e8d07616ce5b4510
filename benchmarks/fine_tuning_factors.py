"""What helps a fine-tuned network under shift? One factor at a time, with fixed parameters. Figures for RESULTS.md.

On each of the four tasks of `left_out.py`: fine-tune MobileNet 0.25 from a head, twice, and score the test images, as they are
and under the development shifts, and the complementary pair. The best of three epochs counts, and not the head that they start
from, which would hide all factors where it is better. `several networks` averages the logits of both repeats.

    KERAS_HOME=../shared/keras_home python benchmarks/fine_tuning_factors.py run --data .../chest_xray --to FOLDER
    python benchmarks/fine_tuning_factors.py report --to FOLDER

What is in FOLDER is not computed again, so a run may be interrupted. `--tasks TASK...` computes some of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
from left_out import TASKS, complement, write_manifests
from starting_head import SIZE, Task, part_of, prepare, read_dataset

from cxrbench.benchmark.wanted_shifts import DEVELOPMENT, STANDARD_STRENGTH
from cxrbench.data.batches import BATCH
from cxrbench.data.shifted import Shifted, Shifting, shift_images
from cxrbench.evaluation.metrics import auc
from cxrbench.models.training.configuration import TrainingConfiguration
from cxrbench.plugin import Augmentation, Shift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cxrbench.models.fine_tuning.trainer import ImageRows

    Floats = NDArray[np.float32]

REPEATS, EPOCHS = 2, 3
BASE, SEVERAL, HEAD = "base: gentle, averaged weights", "several networks", "the head, not trained further"
MEASURES = ("in distribution", "development shifts", "left out")


@dataclass(slots=True, kw_only=True)
class SoftRows:
    """Images whose labels are smoothed, or which are mixed with other images (Zhang et al., ICLR 2018).

    Attributes:
        images: what is changed.
        smoothing: share of each label that is spread over both classes.
        mixing: both parameters of the beta distribution of a partner's share; 0 mixes nothing.
        labels: of the present epoch.
    """

    images: ImageRows
    smoothing: float = 0.0
    mixing: float = 0.0
    labels: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.labels = self._smoothed(self.images.labels)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.images, name)

    def inputs(self, seed: int, epoch: int, batch: int) -> Callable[[NDArray[np.int64]], Floats]:
        """Return a function of numbers in `rows` to images, and draw the labels of the epoch."""
        read = self.images.inputs(seed, epoch, batch)
        if not self.mixing:
            return read
        generator, count = np.random.default_rng([seed % 2**32, epoch]), len(self.images.rows)
        partner = generator.permutation(count)
        share = generator.beta(self.mixing, self.mixing, count).astype(np.float32)
        own = self.images.labels
        self.labels = self._smoothed((1 - share) * own + share * own[partner])

        def mixed(block: NDArray[np.int64]) -> Floats:
            of_partner = share[block][:, None, None, None]
            return (1 - of_partner) * read(block) + of_partner * read(partner[block])

        return mixed

    def _smoothed(self, labels: Floats) -> Floats:
        return labels * (1 - self.smoothing) + np.float32(self.smoothing / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """How a training differs from the base.

    Attributes:
        trains: whether there is one, beside that of the head.
        averages: over how many steps the weights are averaged, by name in `AVERAGES`.
    """

    trains: bool = True
    augmentation: str = "gentle"
    averages: str = "100 steps"
    smoothing: float = 0.0
    mixing: float = 0.0


AVERAGES: dict[str, Callable[[Any], Any]] = {
    "100 steps": lambda step: 0 * step + 100.0,
    "1 step": lambda step: 0 * step + 1.0,
    "a tenth": lambda step: 1 + 0.1 * (step - 1),
}
"""How many steps the average covers after so many. A tenth is what cxrbench uses; no training here has 1,000 steps."""
FACTORS: dict[str, Factor] = {
    BASE: Factor(),
    "strong augmentation": Factor(augmentation="strong"),
    "no averaged weights": Factor(averages="1 step"),
    "averaged over a tenth of the steps so far": Factor(averages="a tenth"),
    "label smoothing 0.1": Factor(smoothing=0.1),
    "mixup 0.2": Factor(mixing=0.2),
    HEAD: Factor(trains=False),
}


def run(data: Path, folder: Path, tasks: list[str]) -> None:
    """Train and score what is missing, task by task."""
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    write_manifests(data, folder)
    for name in tasks:
        missing = [
            (factor, repeat)
            for factor in FACTORS
            for repeat in range(REPEATS)
            if not _file(folder, name, factor, repeat).is_file()
        ]
        if not missing:
            continue
        arguments = argparse.Namespace(data=str(folder / f"{name}.csv"), images=10**6, backbone="mobilenet:alpha=0.25", seed=0)
        with tempfile.TemporaryDirectory() as temporary:
            task, other = prepare(arguments, Path(temporary)), read_dataset(str(folder / f"{complement(name)}.csv"))
            scored = {**_versions(task), "left out": (other.pixels.array.read(0, other.pixels.rows), other.labels)}
            networks = cache(partial(_network, task))
            for factor, repeat in missing:
                network, steps = networks(FACTORS[factor].averages)
                best = _trained(task, (network, steps), FACTORS[factor], repeat)
                logits = {version: network.logits(best, pixels) for version, (pixels, _) in scored.items()}
                labels = {f"labels {version}": labels for version, (_, labels) in scored.items()}
                np.savez(_file(folder, name, factor, repeat), **logits, **labels)
                print(name, factor, repeat, json.dumps(_measures([logits], labels)), flush=True)


def _file(folder: Path, task: str, factor: str, repeat: int) -> Path:
    return folder / f"{task} {factor.partition(':')[0].replace(' ', '-')} {repeat}.npz"


def _versions(task: Task) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Return the test images as they are and under each development shift, with their labels."""
    rows, dataset = task.split.test, task.dataset
    images, labels = dataset.pixels.array.gather(rows), dataset.labels[rows]
    found = {"in distribution": (images, labels)}
    for name in DEVELOPMENT:
        part = part_of(name, Shift)
        shifting = Shifting(
            original=dataset.pixels, shift=Shifted(part=part, strength=part.spec.strengths[STANDARD_STRENGTH]), seed=0
        )
        found[name] = (np.concatenate(list(shift_images(shifting, images))), labels)
    return found


def _trained(task: Task, network_and_steps: Any, factor: Factor, repeat: int) -> Any:
    """Return the weights of the best epoch."""
    from cxrbench.models.fine_tuning.trainer import ImageRows, Setting, Training, train_from_scratch

    network, steps = network_and_steps
    if not factor.trains:
        return network.weights_with(task.head)
    labels, split = task.dataset.labels, task.split
    images = ImageRows(
        pixels=task.dataset.pixels.array,
        rows=split.train,
        labels=labels[split.train].astype(np.float32),
        weights=np.ones(len(split.train), dtype=np.float32),
        validation=(split.validation, labels[split.validation]),
        followed=(split.train[:8], labels[split.train[:8]]),
        augmentation=part_of(factor.augmentation, Augmentation),
    )
    checkpoint = task.folder / "progress"
    checkpoint.unlink(missing_ok=True)
    training = Training(
        network=network,
        steps=steps,
        start=network.weights_with(task.head),
        data=SoftRows(images=images, smoothing=factor.smoothing, mixing=factor.mixing),
        configuration=TrainingConfiguration(epochs=EPOCHS, batch_size=BATCH, patience=EPOCHS),
        checkpoint=checkpoint,
        depends_on=repr((factor, repeat)),
    )
    setting = Setting(learning_rate=2e-4, layer_decay=0.3, dropout=0.3, weight_decay=1e-3, seed=repeat)
    return train_from_scratch(
        training, setting
    ).best_weights  # which differs from `fine_tune` in that the start is no candidate


def _network(task: Task, averages: str) -> Any:
    """Return the network of a task and its compiled steps."""
    from cxrbench.models.fine_tuning.network import network_on_images
    from cxrbench.models.fine_tuning.steps import NetworkSteps
    from cxrbench.models.training.losses import cross_entropy

    network = network_on_images(task.backbone.build_anew(), SIZE)
    return network, NetworkSteps(network, cross_entropy, BATCH, AVERAGES[averages])


def _measures(logits: list[Mapping[str, Floats]], labels: Mapping[str, NDArray[np.int64]]) -> dict[str, float]:
    """Return the AUC of the mean logits on each part; that of shifts is the mean over the kinds."""
    versions = ("in distribution", *DEVELOPMENT, "left out")
    found = {one: auc(labels[f"labels {one}"], np.mean([each[one] for each in logits], axis=0)) for one in versions}
    shifts = float(np.mean([found[name] for name in DEVELOPMENT]))
    return {"in distribution": found["in distribution"], "development shifts": shifts, "left out": found["left out"]}


def report(folder: Path) -> None:
    """Print one table: the mean AUC over tasks and repeats, and how far each factor moves it, task by task."""
    print(f"{machine.describe()}\n\n| factor | {' | '.join(MEASURES)} | left out, each task |\n{'|---' * 5}|")
    base = _mean_by_task(folder, BASE)
    for name in (*FACTORS, SEVERAL):
        found = _mean_by_task(folder, name)
        cells = [f"{np.mean([one[measure] for one in found.values()]):.4f}" for measure in MEASURES]
        if name != BASE:
            moved = [np.mean([found[task][measure] - base[task][measure] for task in TASKS]) for measure in MEASURES]
            cells = [f"{cell} ({move:+.4f})" for cell, move in zip(cells, moved, strict=True)]
        of_tasks = [f"{found[task]['left out'] - (base[task]['left out'] if name != BASE else 0):+.4f}" for task in TASKS]
        print(f"| {name} | {' | '.join(cells)} | {' '.join(of_tasks)} |")


def _mean_by_task(folder: Path, factor: str) -> dict[str, dict[str, float]]:
    """Return the mean over repeats of each measure, by task; of several networks, the measures of both together."""
    found = {}
    for task in TASKS:
        name = BASE if factor == SEVERAL else factor
        repeats = [dict(np.load(_file(folder, task, name, repeat), allow_pickle=False)) for repeat in range(REPEATS)]
        groups = [repeats] if factor == SEVERAL else [[one] for one in repeats]
        measured = [_measures(group, repeats[0]) for group in groups]
        found[task] = {measure: float(np.mean([one[measure] for one in measured])) for measure in MEASURES}
    return found


def main() -> None:
    """Run the trainings, or print their figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    arguments = parser.parse_args()
    if arguments.what == "report":
        report(arguments.to)
    else:
        run(arguments.data, arguments.to, arguments.tasks)


if __name__ == "__main__":
    main()
