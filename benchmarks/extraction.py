"""Measure images per second through a backbone, compared with `model.predict` and with the machine's matrix-product peak.

    KERAS_HOME=../shared/keras_home python benchmarks/extraction.py mobilenet:alpha=0.25 resnet50:weights=none

Both get decoded images of 224 x 224 in memory or in the page cache. `model.predict` runs in one process with all cores, as
users call it. cxrbench runs one process per core, as `cxrbench run` does. Rounds alternate, and each measures the peak.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

import machine
import numpy as np

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.config.seeds import backbone_seed
from cxrbench.data.batches import BATCH
from cxrbench.data.decoding.pixels import Pixels
from cxrbench.execution.executor import open_executor
from cxrbench.execution.progress import Progress
from cxrbench.models.features.extraction import Extraction
from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.features.schedule import extract_missing
from cxrbench.models.weights import Weights, weights_option
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from cxrbench.config.part import Part
    from cxrbench.execution.executor import Executor

SIZE = 224
SHAPE = (SIZE, SIZE, CHANNELS)


def main() -> None:
    """Print a Markdown table with one row per backbone."""
    arguments = _arguments()
    print(f"{machine.describe()}\n\nmedians of {arguments.rounds} rounds, {arguments.precision}\n")
    columns = ("backbone", "GFLOP an image", "images/s", "model.predict", "ratio", "share of the peak", "peak GFLOP/s")
    print(f"| {' | '.join(columns)} | features differ by |\n|{'---|' * (len(columns) + 1)}")
    with tempfile.TemporaryDirectory() as home:
        os.environ["CXRBENCH_HOME"] = home
        with open_executor(arguments.workers) as executor:
            for text in arguments.backbone:
                _measure(text, arguments, executor)


def _measure(text: str, arguments: argparse.Namespace, executor: Executor) -> None:
    component = parse_component(text)
    backbone = bind(component, load_host().find(Backbone, component.name))
    model = backbone.build(input_shape=SHAPE, weights=weights_option(backbone), seed=backbone_seed(0, ""))
    gigaflop = operations(model) / 1e9
    per_worker = int(arguments.seconds * 150 / gigaflop) // (BATCH * arguments.workers) * BATCH or BATCH
    per_worker = min(per_worker, 512)
    images = np.random.default_rng(0).integers(0, 256, (per_worker * arguments.workers, SIZE, SIZE), dtype=np.uint8)
    rgb_images = np.repeat(images[..., None], CHANNELS, axis=-1).astype(np.float32)
    ours, theirs, peaks = [], [], []
    for round_number in range(arguments.rounds + 1):  # the first round compiles and is not counted
        peaks.append(machine.peak(executor, arguments.workers))
        rate, features = _extracted(backbone, images, round_number, arguments, executor)
        ours.append(rate)
        start = time.perf_counter()
        predicted = model.predict(rgb_images, batch_size=BATCH, verbose=0)
        theirs.append(len(images) / (time.perf_counter() - start))
    ratio = statistics.median(mine / plain for mine, plain in zip(ours[1:], theirs[1:], strict=True))
    share = statistics.median(mine * gigaflop / peak for mine, peak in zip(ours[1:], peaks[1:], strict=True))
    mine, plain, peak = (statistics.median(rates[1:]) for rates in (ours, theirs, peaks))
    moved = np.linalg.norm(features - predicted) / np.linalg.norm(predicted)
    rates = f"{mine:.1f} | {plain:.1f} | {ratio:.2f} | {share:.0%} | {peak:.0f}"
    print(f"| {text} | {gigaflop:.2f} | {rates} | {moved:.1e} |", flush=True)


def _extracted(
    backbone: Part[Backbone], images: np.ndarray, round_number: int, arguments: argparse.Namespace, executor: Executor
) -> tuple[float, np.ndarray]:
    """Return images per second and the features, extracted as a run does: one shard per worker, from disk to disk."""
    extractions = []
    for worker, part in enumerate(np.array_split(images, arguments.workers)):
        pixels = Pixels(rows=len(part), size=SIZE, digest=f"{backbone.component}-{round_number}-{worker}")
        pixels.array.write(0, [part])
        extractions.append(
            Extraction(
                pixels=pixels,
                backbone=backbone,
                weights=Weights(name=weights_option(backbone)),
                augmentation=None,
                view=0,
                seed=0,
                precision=arguments.precision,
            )
        )
    start = time.perf_counter()
    pending = extract_missing(extractions, [0], executor, Progress())
    for extraction in extractions:
        if problem := pending.wait(extraction).problem:
            raise RuntimeError(problem)
    rate = len(images) / (time.perf_counter() - start)
    return rate, np.concatenate([extraction.features.read(0, extraction.features.rows) for extraction in extractions])


def operations(model: Any) -> float:
    """Return the floating-point operations of the matrix products for one image; a multiplication and addition count as two."""
    total = 0.0
    for layer in _layers(model):
        for weight in layer.weights:
            if "kernel" in weight.name:
                total += 2 * float(np.prod(weight.shape)) * float(np.prod(layer.output.shape[1:-1]))
    return total


def _layers(model: Any) -> list[Any]:
    inner = getattr(model, "layers", None)
    return [model] if inner is None else [leaf for layer in inner for leaf in _layers(layer)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backbone", nargs="*", default=["mobilenet:weights=none,alpha=0.25", "resnet50:weights=none"])
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0, help="approximate duration of a cxrbench round")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    main()
