"""Compare the cost of a search: cxrbench, plain Keras with Optuna, and KerasTuner, with the same recipe, split and budget.

    KERAS_HOME=../shared/keras_home python benchmarks/search_cost.py --data ../shared/data/chest_xray

The time of cxrbench is that of the whole command, once with an empty cache and then with cached features. The others push every
image through the frozen backbone in every epoch of every trial, as notebooks do. They get decoded images in memory (not timed),
prefetching, all cores, and the same split, batch size, epochs and stopping rule. They train a few of the settings that cxrbench
trained. Their total is extrapolated: the measured seconds per epoch times the epochs of all trials of a cxrbench study without
pruning.
"""

from __future__ import annotations

import argparse
import json
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

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.decoding.decode import decode
from cxrbench.data.source import find_dataset, read_images
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.models.weights import weights_option
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna.trial import FrozenTrial

SIZE, UNITS = 224, 512
Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class Plain:
    """The result of a plain trial on images."""

    seconds: float
    epochs: int
    auc: float


def main() -> None:
    """Print the ratios as Markdown."""
    arguments = _arguments()
    print(f"{machine.describe()}\n\n{arguments.backbone}, {arguments.data}, {arguments.trials} trials\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cold = _cxrbench(arguments, Path(folder), "cold")
        warm = [_cxrbench(arguments, Path(folder), f"warm{number}") for number in range(3)]
        trials = _trials(Path(folder) / "cold")
        protocol = json.loads(next((Path(folder) / "cold").glob("*/protocol.json")).read_text())
        parts = _parts(arguments.data, Path(folder) / "cold")
    settings = _spread(trials, arguments.settings)
    epochs = sum(len(trial.user_attrs["losses"]) for trial in trials)
    print(f"cxrbench: {cold:.1f} s cold, {statistics.median(warm):.1f} s with cached features (median of 3), {epochs} epochs\n")
    for name, run in (("plain Keras + Optuna", _with_optuna), ("KerasTuner", _with_keras_tuner)):
        done = run(arguments.backbone, parts, protocol, settings)
        each = sum(trial.seconds for trial in done) / sum(trial.epochs for trial in done)
        total = each * epochs
        print(f"{name}: {each:.2f} s per epoch over {sum(trial.epochs for trial in done)} epochs of {len(done)} trials;")
        print(f"extrapolated to {epochs} epochs: {total:.0f} s = {total / 3600:.2f} h;")
        print(
            f"**cxrbench is {total / cold:.0f}x cheaper cold, {total / statistics.median(warm):.0f}x with cached features**\n"
        )
        for trial, setting in zip(done, settings, strict=True):
            epochs_of_both = f"{trial.epochs} epochs, cxrbench {len(setting.user_attrs['losses'])}"
            aucs = f"{trial.auc:.4f}, cxrbench {setting.value:.4f}, difference {trial.auc - setting.value:+.4f}"
            print(f"  learning rate {setting.params['learning_rate']:.1e}: {epochs_of_both}; validation AUC {aucs}", flush=True)
        print()


def _cxrbench(arguments: argparse.Namespace, folder: Path, out: str) -> float:
    """Return the seconds of the whole command, including the start of Python."""
    components = [f"--backbone={arguments.backbone}", "--augmentation=none", "--imbalance=none", "--no-controls"]
    command = [str(Path(sys.executable).parent / "cxrbench"), "run", f"--data={arguments.data}", *components]
    environment = {**os.environ, "CXRBENCH_HOME": str(folder / "home")}
    start = time.perf_counter()
    subprocess.run(
        [*command, f"--trials={arguments.trials}", f"--out={folder / out}"], env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - start


def _trials(out: Path) -> list[FrozenTrial]:
    """Return the trials that cxrbench trained, read by Optuna."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = next((out / "studies").glob("*.journal"))
    trials = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(path)))).trials
    return [trial for trial in trials if trial.value is not None]


def _spread(trials: list[FrozenTrial], count: int) -> list[FrozenTrial]:
    """Return `count` trials spread evenly over the ranking, the best first, so that their settings differ."""
    ranked = sorted(trials, key=lambda trial: -trial.value)
    return [ranked[number * len(ranked) // count] for number in range(count)]


def _parts(data: str, out: Path) -> tuple[Arrays, Arrays]:
    """Return the images and labels of cxrbench's training and validation images."""
    source = read_images(find_dataset(data, load_host()), lambda download: Path(download.file_name))
    heads = read_predictions(next(out.glob("*/predictions/*.npz")))
    part_of = {key: head.subset for head in heads for key in head.keys.tolist()}
    images: dict[str, list[np.ndarray]] = {"train": [], "validation": []}
    labels: dict[str, list[int]] = {"train": [], "validation": []}
    for record in source.records:
        part = part_of.get(record.key, "train")
        if part in images:
            images[part].append(decode(source.read(record.key), size=SIZE, resize="stretch"))
            labels[part].append(record.label)
    return tuple((np.stack(images[part]), np.array(labels[part], dtype=np.float32)) for part in images)  # type: ignore[return-value]


def _with_optuna(text: str, parts: tuple[Arrays, Arrays], protocol: dict[str, Any], settings: list[FrozenTrial]) -> list[Plain]:
    import optuna

    done: list[Plain] = []
    study = optuna.create_study(direction="maximize")
    for setting in settings:
        study.enqueue_trial({name: setting.params[name] for name in ("learning_rate", "dropout")})

    def objective(trial: optuna.Trial) -> float:
        learning_rate = trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)
        done.append(_fit(text, parts, protocol, learning_rate, trial.suggest_float("dropout", 0.0, 0.7)))
        return done[-1].auc

    study.optimize(objective, n_trials=len(settings))
    return done


def _with_keras_tuner(
    text: str, parts: tuple[Arrays, Arrays], protocol: dict[str, Any], settings: list[FrozenTrial]
) -> list[Plain]:
    import keras_tuner

    done: dict[int, Plain] = {}

    class Search(keras_tuner.RandomSearch):  # type: ignore[misc]
        def run_trial(self, trial: Any, *arguments: Any, **keywords: Any) -> float:
            del arguments, keywords
            number = trial.hyperparameters.Choice("setting", list(range(len(settings))))
            params = settings[number].params
            done[number] = _fit(text, parts, protocol, params["learning_rate"], params["dropout"])
            return done[number].auc

    with tempfile.TemporaryDirectory() as folder:
        objective = keras_tuner.Objective("auc", "max")
        Search(objective=objective, max_trials=len(settings), directory=folder, overwrite=True, seed=1).search()
    return [done[number] for number in range(len(settings))]


def _fit(text: str, parts: tuple[Arrays, Arrays], protocol: dict[str, Any], learning_rate: float, dropout: float) -> Plain:
    """Train a head on the frozen backbone as a notebook does; the time includes building and compiling."""
    import keras
    import tensorflow

    def batches(arrays: Arrays, *, shuffle: bool) -> Any:
        rows = tensorflow.data.Dataset.from_tensor_slices(arrays)
        rows = rows.shuffle(len(arrays[1])) if shuffle else rows
        pixels = tensorflow.autograph.experimental.do_not_convert(_as_pixels)
        return rows.batch(protocol["batch_size"]).map(pixels).prefetch(tensorflow.data.AUTOTUNE)

    (train, validation), losses = parts, []
    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 3))
    hidden = keras.layers.Dense(UNITS, activation="relu")(_backbone(text)(inputs, training=False))
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dropout(dropout)(hidden))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(learning_rate), "binary_crossentropy", metrics=[keras.metrics.AUC(num_thresholds=2000)])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=protocol["patience"], restore_best_weights=True)
    checked = batches(validation, shuffle=False)
    history = model.fit(
        batches(train, shuffle=True), validation_data=checked, epochs=protocol["epochs"], callbacks=[stop], verbose=0
    )
    seconds = time.perf_counter() - start
    losses = history.history["val_loss"]
    return Plain(seconds, len(losses), _auc(validation[1], model.predict(checked, verbose=0)[:, 0]))


def _as_pixels(images: Any, labels: Any) -> tuple[Any, Any]:
    import tensorflow

    return tensorflow.repeat(tensorflow.cast(images, tensorflow.float32)[..., None], 3, axis=-1), labels


def _backbone(text: str) -> Callable[..., Any]:
    component = parse_component(text)
    part = bind(component, load_host().find(Backbone, component.name))
    built: Callable[..., Any] = part.build(input_shape=(SIZE, SIZE, 3), weights=weights_option(part), seed=0)
    return built


def _auc(labels: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--backbone", default="mobilenet:alpha=0.25")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--settings", type=int, default=3, help="number of trials that the others repeat")
    return parser.parse_args()


if __name__ == "__main__":
    main()
