"""How soon does a search over whole networks reach its best validation AUC? cxrbench against Keras with Optuna. For RESULTS.md.

    KERAS_HOME=../shared/keras_home python benchmarks/fine_tuning_search.py --data ../shared/data/chest_xray [--seeds 3]

Both get the same training and validation images. Keras with Optuna trains each of 8 trials for 10 epochs from the pretrained
backbone and a random head, as a notebook does: `model.fit`, prefetching, all cores, decoded images in memory, TPE over learning
rate, dropout and weight decay, and the validation AUC after each epoch. Its time starts with the first trial. The time of
cxrbench is that of the whole command, from reading the JPEG files on, until the entry is written whose validation AUC is
within .001 of the best one of Keras: that of the heads, or that of the fine-tuned network.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
from fine_tuning import SIZE, augmentation, built
from starting_head import read_dataset

from cxrbench.data.split import split_dataset

if TYPE_CHECKING:
    from cxrbench.data.dataset import LoadedDataset

BATCH = 32
CLOSE = 0.001
WAYS = {
    "all of the network": ("--fine-tune-from", "all"),
    "its upper half": ("--fine-tune-from", "auto"),
    "all of the network, one worker": ("--fine-tune-from", "all", "--workers", "1"),
}
"""What is compared with Keras and Optuna; the last two show what the cached maps and the second process bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A validation AUC, and the seconds until it was known."""

    seconds: float
    auc: float


def main() -> None:
    """Print a Markdown table with a row for each seed."""
    arguments = _arguments()
    dataset = read_dataset(str(arguments.data.resolve()))
    print(f"{machine.describe()}\n\n{arguments.backbone}, {arguments.images} training images, {arguments.trials} trials of")
    print(f"{arguments.epochs} epochs with Keras and Optuna\n", flush=True)
    print("| seed | | heads | fine-tuned or best epoch | within .001 of the best of Keras after | share |\n" + "|---" * 6 + "|")
    shares: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            parts = _write_parts(dataset, seed, arguments, Path(folder))
            context = multiprocessing.get_context("spawn")
            with context.Pool(1) as pool:
                plain = pool.apply(with_keras_and_optuna, (parts, seed, arguments))
            best = max(plain, key=lambda one: one.auc)
            close = next(one for one in plain if one.auc >= best.auc - CLOSE)
            print(
                f"| {seed} | Keras and Optuna, all of it: {plain[-1].seconds:.0f} s | | {_cell(best)} | {_cell(close)} | 1 |",
                flush=True,
            )
            for way, options in WAYS.items():
                ours = _with_cxrbench(parts, seed, arguments, options)
                soon = next((one for one in ours if one.auc >= best.auc - CLOSE), None)
                shares[way].append(soon.seconds / close.seconds if soon else float("inf"))
                cells = " | ".join(_cell(one) for one in (*ours, soon))
                print(f"| {seed} | cxrbench, {way} | {cells} | {shares[way][-1]:.2f} |", flush=True)
            as_heads = next((one for one in plain if one.auc >= ours[0].auc), None)
            print(f"| {seed} | Keras and Optuna, until the AUC of these heads | | {_cell(as_heads)} | | |", flush=True)
    for way, found in shares.items():
        print(f"\nMedian share of the seconds, {way}: **{statistics.median(found):.2f}**")


def _cell(reached: Reached | None) -> str:
    return f"{reached.auc:.4f} after {reached.seconds:.0f} s" if reached else "never"


def _write_parts(dataset: LoadedDataset, seed: int, arguments: argparse.Namespace, folder: Path) -> Path:
    """Write a manifest with the split, and the decoded images of both parts; return the folder."""
    split = split_dataset(dataset, "grouped", seed)[0]
    order = np.random.default_rng(seed).permutation(np.unique(dataset.groups[split.train]))
    sizes = np.cumsum([np.sum(dataset.groups[split.train] == one) for one in order])
    chosen = order[sizes <= arguments.images]
    train = split.train[np.isin(dataset.groups[split.train], chosen)]
    with (folder / "images.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "patient", "split"))
        for part, rows in {"train": train, "val": split.validation, "test": split.test}.items():
            for row in rows:
                record = dataset.records[row]
                table.writerow((arguments.data.resolve() / record.key, record.label, record.patient, part))
    for part, rows in {"train": train, "validation": split.validation}.items():
        np.save(folder / f"{part}.npy", dataset.pixels.array.gather(rows))
        np.save(folder / f"{part}-labels.npy", dataset.labels[rows])
    return folder


def _with_cxrbench(parts: Path, seed: int, arguments: argparse.Namespace, options: tuple[str, ...]) -> list[Reached]:
    """Return what the heads and the fine-tuned network reached, and when their entries were written."""
    command = [
        *(str(Path(sys.executable).parent / "cxrbench"), "run", "--data", str(parts / "images.csv"), "--split", "official"),
        *("--backbone", arguments.backbone, "--augmentation", "none", "--imbalance", "none", "--no-controls"),
        *("--trials", "25", "--seed", str(seed), "--fine-tune", "1", *options),
        *("--robustness", "none", "--offline"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        command.extend(("--out", f"{folder}/board"))
        subprocess.run(command, env={**os.environ, "CXRBENCH_HOME": f"{folder}/home"}, check=True, capture_output=True)
        entries = {path: json.loads(path.read_text()) for path in Path(folder, "board").glob("*/entries/*.json")}
        found = [
            Reached(seconds=path.stat().st_mtime - start, auc=entry["folds"][0]["validation"]["auc"])
            for path, entry in entries.items()
            if entry["backbone"] == arguments.backbone
        ]
    return sorted(found, key=lambda one: one.seconds)


def with_keras_and_optuna(parts: Path, seed: int, arguments: argparse.Namespace) -> list[Reached]:
    """Return the validation AUC after each epoch of each trial."""
    import keras
    import optuna

    keras.config.disable_interactive_logging()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    reached: list[Reached] = []
    start = time.perf_counter()

    def objective(trial: optuna.Trial) -> float:
        keras.utils.set_random_seed(1000 * seed + trial.number)
        model = _model(
            arguments.backbone,
            learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-3, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.7),
            weight_decay=trial.suggest_float("weight_decay", 1e-4, 1e-1, log=True),
        )
        train, validation = _batches(parts, "train"), _batches(parts, "validation")
        best = 0.0
        for _ in range(arguments.epochs):
            model.fit(train)
            auc = _auc(parts, model.predict(validation)[:, 0])
            reached.append(Reached(seconds=time.perf_counter() - start, auc=auc))
            best = max(best, auc)
        return best

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=arguments.trials)
    return reached


def _model(backbone: str, *, learning_rate: float, dropout: float, weight_decay: float) -> Any:
    import keras

    features = built(backbone)
    features.trainable = True
    grey = keras.Input((SIZE, SIZE, 1))
    hidden = keras.layers.Dense(512, activation="relu")(features(keras.ops.repeat(grey, 3, axis=-1), training=False))
    model = keras.Model(grey, keras.layers.Dense(1)(keras.layers.Dropout(dropout)(hidden)))
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def _batches(parts: Path, part: str) -> Any:
    """Return a `tf.data` pipeline; training images are shuffled and augmented."""
    import tensorflow

    images, labels = (np.load(parts / f"{part}{name}.npy", allow_pickle=False) for name in ("", "-labels"))
    data = tensorflow.data.Dataset.from_tensor_slices((images[..., None], labels.astype(np.float32)))
    if part == "train":
        augment = augmentation()
        data = data.shuffle(len(images)).batch(BATCH)
        data = data.map(
            lambda x, y: (augment(tensorflow.cast(x, tensorflow.float32), training=True), y), tensorflow.data.AUTOTUNE
        )
    else:
        data = data.batch(BATCH).map(lambda x, y: (tensorflow.cast(x, tensorflow.float32), y))
    return data.prefetch(tensorflow.data.AUTOTUNE)


def _auc(parts: Path, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(np.load(parts / "validation-labels.npy", allow_pickle=False), scores))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default="mobilenet:alpha=0.25")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
