"""Measure how time and memory of extraction and a study grow with the number of images: 10^4, 10^5 and 10^6.

    python benchmarks/scale.py

The script writes generated images of 32 x 32 pixels to the cache of decoded images. A backbone of one matrix product computes
1,024 features of each, and a study trains two trials on nine tenths of them. It prints the time per row of both steps and the
largest anonymous memory (RssAnon) of any process. 10^6 rows need 6 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import machine
import numpy as np
from overhead import job_on, search

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.data.decoding.pixels import Pixels
from cxrbench.execution.executor import open_executor
from cxrbench.execution.progress import Progress
from cxrbench.models.features.extraction import Extraction
from cxrbench.models.features.schedule import extract_missing
from cxrbench.models.weights import Weights
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import load_host

SIZE = 32


def main() -> None:
    """Print a Markdown table with a line for each number of rows."""
    arguments = _arguments()
    print(f"{machine.describe()}\n\n1,024 features, {arguments.trials} trials at a time on {arguments.workers} workers\n")
    print("| rows | extraction, µs per row | training, µs per row and epoch | peak anonymous memory of a process |")
    print("|---|---|---|---|")
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as home:
            os.environ["CXRBENCH_HOME"] = home
            with machine.watched_memory() as memory:
                extraction, training = _measure(rows, arguments, Path(home))
        microseconds = f"{extraction * 1e6:.1f} | {training * 1e6:.1f}"
        print(f"| {rows:,} | {microseconds} | {memory.peak / 1e9:.2f} GB |", flush=True)


def _measure(rows: int, arguments: argparse.Namespace, home: Path) -> tuple[float, float]:
    """Return the worker seconds per row of extraction and of a training epoch."""
    pixels = Pixels(rows=rows, size=SIZE, digest="generated")
    labels = np.concatenate([_generate(pixels, shard) for shard in range(pixels.array.shards)])
    plugin = Path(__file__).parent / "projection.py"
    backbone = bind(parse_component("projection"), load_host([plugin]).find(Backbone, "projection"))
    extraction = Extraction(
        pixels=pixels, backbone=backbone, weights=Weights(name="none"), augmentation=None, view=0, seed=0, precision="float32"
    )
    with open_executor(arguments.workers) as executor:
        machine.peak(executor, arguments.workers)  # starts the workers
        start = time.perf_counter()
        problem = extract_missing([extraction], range(pixels.array.shards), executor, Progress()).wait(extraction).problem
        extracted = time.perf_counter() - start
        if problem:
            raise RuntimeError(problem)
        train = rows * 9 // 10
        epochs = max(2, arguments.row_epochs // rows)
        job = job_on((extraction.features, labels), train, epochs=epochs, patience=epochs)
        trials = search(job, executor, arguments.trials, home / "scale.journal")
    epoch = sum(trial.seconds for trial in trials) / sum(len(trial.losses) for trial in trials)
    return extracted * arguments.workers / rows, epoch / rows


def _generate(pixels: Pixels, shard: int) -> np.ndarray:
    """Write a shard of noise, brighter in the middle for the positive class, and return its labels."""
    generator = np.random.default_rng([2, shard])
    start, stop = pixels.array.bounds(shard)
    labels = (generator.random(stop - start) < 0.7).astype(np.int64)
    images = generator.integers(0, 200, (stop - start, SIZE, SIZE), dtype=np.uint8)
    images[:, 12:20, 12:20] += (labels * 12).astype(np.uint8)[:, None, None]
    pixels.array.write(shard, [images])
    return labels


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", type=int, default=[10**4, 10**5, 10**6])
    parser.add_argument("--row-epochs", type=int, default=400_000, help="minimum of rows x epochs of a trial")
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--folder", help="folder for temporary files [default: the system's temporary folder]")
    return parser.parse_args()


if __name__ == "__main__":
    main()
