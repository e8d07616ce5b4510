"""Measure images per second of training a whole network, compared with Keras' `model.fit`.

    KERAS_HOME=../shared/keras_home python benchmarks/fine_tuning.py --data ../shared/data/chest_xray [--images 1024]

Both train the same network on the same images of 224 x 224 in batches of 32, with the augmentation `gentle` drawn anew for each
image, AdamW and averaged weights. Keras gets all cores, a prefetching `tf.data` pipeline that augments, and one process, as its
guide advises. cxrbench runs one process with one thread per core, as trials side by side do. Rounds alternate.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np

SIZE, BATCH = 224, 32
PARTS = ("keras", "one", "side by side")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backbone", default="mobilenet:alpha=0.25")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, read_images(arguments.data, arguments.images))
        cores = len(os.sched_getaffinity(0))
        found: dict[str, list[float]] = {part: [] for part in PARTS}
        for _ in range(arguments.rounds):
            found["keras"].append(measured(train_with_keras, 1, path, arguments.backbone))
            found["one"].append(measured(train_with_cxrbench, 1, path, arguments.backbone))
            found["side by side"].append(measured(train_with_cxrbench, cores, path, arguments.backbone))
    print(f"{machine.describe()}\n\n{arguments.backbone}, medians of {arguments.rounds} rounds\n")
    print("| training | images/s | times Keras |\n|---|---|---|")
    rates = {part: statistics.median(values) for part, values in found.items()}
    names = {
        "keras": "Keras, all cores",
        "one": "cxrbench, one core",
        "side by side": f"cxrbench, {cores} trials on {cores} cores",
    }
    for part, name in names.items():
        print(f"| {name} | {rates[part]:.0f} | {rates[part] / rates['keras']:.2f} |")


def read_images(folder: Path, count: int) -> np.ndarray:
    """Return the first images as the run decodes them, uint8 ``[n, SIZE, SIZE]``."""
    from cxrbench.data.decoding.decode import examine

    paths = sorted(folder.resolve().rglob("*.jpeg"))
    return np.stack(
        [examine(path.read_bytes(), size=SIZE, resize="stretch")[0] for path in paths[:: len(paths) // count][:count]]
    )


def measured(train: Any, processes: int, path: Path, backbone: str) -> float:
    """Return the images per second of one epoch after a first one, in so many new processes at once."""
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(processes), context.Queue()
    started = [context.Process(target=train, args=(path, backbone, barrier, queue)) for _ in range(processes)]
    for process in started:
        process.start()
    rates = [queue.get() for _ in started]
    for process in started:
        process.join()
    return sum(rates)


def train_with_keras(path: Path, backbone: str, barrier: Any, queue: Any) -> None:
    """Train two epochs by `model.fit`; put the rate of the second one into the queue."""
    import keras
    import tensorflow

    images, labels = loaded(path)
    keras.config.disable_interactive_logging()
    features = built(backbone)
    features.trainable = True
    grey = keras.Input((SIZE, SIZE, 1))
    hidden = keras.layers.Dense(512, activation="relu")(features(keras.ops.repeat(grey, 3, axis=-1), training=False))
    model = keras.Model(grey, keras.layers.Dense(1)(keras.layers.Dropout(0.2)(hidden)))
    optimizer = keras.optimizers.AdamW(1e-4, weight_decay=1e-3, use_ema=True)
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    augment = augmentation()
    data = tensorflow.data.Dataset.from_tensor_slices((images[..., None], labels)).shuffle(len(images)).batch(BATCH)
    data = data.map(lambda x, y: (augment(tensorflow.cast(x, tensorflow.float32), training=True), y), tensorflow.data.AUTOTUNE)
    data = data.prefetch(tensorflow.data.AUTOTUNE)
    model.fit(data)
    barrier.wait()
    start = time.perf_counter()
    model.fit(data)
    queue.put(len(images) / (time.perf_counter() - start))


def train_with_cxrbench(path: Path, backbone: str, barrier: Any, queue: Any) -> None:
    """Train two epochs in one thread; put the rate of the second one into the queue."""
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    from cxrbench.models.fine_tuning import trainer
    from cxrbench.models.fine_tuning.network import network_on_images
    from cxrbench.models.fine_tuning.steps import NetworkSteps, Rates
    from cxrbench.models.training.configuration import TrainingConfiguration
    from cxrbench.models.training.head_weights import random_head
    from cxrbench.models.training.losses import cross_entropy
    from cxrbench.storage.sharded_array import ShardedArray

    images, labels = loaded(path)
    model = built(backbone)
    network = network_on_images(model, SIZE)
    steps = NetworkSteps(network, cross_entropy, BATCH)
    head = random_head(model.output_shape[-1], 512, np.random.default_rng(0))
    setting = trainer.Setting(learning_rate=1e-4, layer_decay=0.5, dropout=0.2, weight_decay=1e-3, seed=0)
    rates = Rates(shares=network.shares(setting.layer_decay), weight_decay=setting.weight_decay)
    steps.reset(network.weights_with(head), rates)
    network.set_dropout(setting.dropout)
    with tempfile.TemporaryDirectory() as folder:
        pixels = ShardedArray(folder=Path(folder), rows=len(images), dtype="uint8", shard_rows=len(images))
        pixels.write(0, [images])
        data = trainer.ImageRows(
            pixels=pixels,
            rows=np.arange(len(images)),
            labels=labels,
            weights=np.ones(len(images), dtype=np.float32),
            validation=(np.arange(1), labels[:1].astype(np.int64)),
            followed=(np.arange(1), labels[:1].astype(np.int64)),
            augmentation=Gentle(),
        )
        training = trainer.Training(
            network=network,
            steps=steps,
            start=network.weights_with(head),
            data=data,
            configuration=TrainingConfiguration(epochs=2, batch_size=BATCH, patience=2),
            checkpoint=Path(folder) / "progress",
            depends_on="",
        )
        per_epoch = np.full(-(-len(images) // BATCH), 1e-4, dtype=np.float32)
        trainer._train_epoch(training, setting, 1, per_epoch)
        barrier.wait()
        start = time.perf_counter()
        trainer._train_epoch(training, setting, 2, per_epoch)
        queue.put(len(images) / (time.perf_counter() - start))


class Gentle:
    """The augmentation as the trainer builds it."""

    def build(self, *, input_shape: tuple[int, ...], seed: int) -> Any:
        """Return the layers."""
        from cxrbench_augmentations.transforms import gentle

        return gentle(input_shape=input_shape, seed=seed)


def augmentation() -> Any:
    """Return the same layers for Keras."""
    return Gentle().build(input_shape=(SIZE, SIZE, 1), seed=1)


def loaded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and some labels; which ones does not change the time."""
    images = np.load(path, allow_pickle=False)
    return images, (np.arange(len(images)) % 2).astype(np.float32)


def built(text: str) -> Any:
    """Return a backbone as its plugin builds it."""
    from cxrbench.config.component import parse_component
    from cxrbench.config.part import bind
    from cxrbench.plugin import Backbone
    from cxrbench.plugin.host import load_host

    component = parse_component(text)
    part = bind(component, load_host().find(Backbone, component.name))
    return part.build(input_shape=(SIZE, SIZE, 3), weights=part.option("weights", "imagenet"), seed=0)


if __name__ == "__main__":
    main()
