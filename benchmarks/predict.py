"""How fast is `cxrbench predict`: images per second, seconds to the first line, and growth of its memory.

    KERAS_HOME=../shared/keras_home python benchmarks/predict.py --data .../chest_xray

A short run makes a model first. Then each round measures, one after the other: decoding and extraction of all files as
`cxrbench run` does them together, with workers that are already started; `cxrbench predict` on the same files after its first
line; and a bare script that imports Keras, loads the same model from one file, decodes one image with Pillow and scores it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import machine

from cxrbench.benchmark.model.backbone import Surroundings
from cxrbench.benchmark.model.open import open_model
from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.config.settings import usable_cores
from cxrbench.data.dataset import catalogue_images
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.download import Downloader
from cxrbench.data.image_paths import find_images
from cxrbench.data.source import find_dataset, read_images
from cxrbench.execution.executor import open_executor
from cxrbench.execution.progress import Progress
from cxrbench.models.features.extraction import Extraction
from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.features.schedule import extract_missing
from cxrbench.models.weights import get_weights
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from cxrbench.data.dataset import Catalogue
    from cxrbench.execution.executor import Executor

SIZE = 224
MEMORY_AT = (500, 5000)
"""Images after which the resident memory is read."""
CXRBENCH = Path(sys.executable).parent / "cxrbench"
BARE_SCRIPT = f"""
import sys
import keras
import numpy as np
from PIL import Image

model = keras.models.load_model(sys.argv[1])
image = Image.open(sys.argv[2]).convert("L").resize(({SIZE}, {SIZE}))
print(float(model.predict(np.asarray(image, dtype="float32")[None, ..., None], verbose=0)[0, 0]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One run of `cxrbench predict`: images per second after the first line, seconds to it, and resident MB at `MEMORY_AT`."""

    rate: float
    first: float
    memory: tuple[float, ...]


def main() -> None:
    """Print a Markdown table of each round and of the medians."""
    arguments = _arguments()
    print(f"{machine.describe()}\n\n{arguments.backbone}\n")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CXRBENCH_HOME"] = f"{folder}/home"
        out, network = Path(folder, "out"), Path(folder, "model.keras")
        _make_model(arguments, out)
        has_network = _save_network(out, network)
        _print_row(
            "round", "decoded and extracted, images/s", "predicted, images/s", "ratio", "first line, s", "bare script, s", "MB"
        )
        _print_row(*["---"] * 7)
        ratios, starts = [], []
        with open_executor(usable_cores()) as executor:
            for number in range(arguments.rounds + 1):  # the first one reads the files and warms the workers up
                together = _decode_and_extract(arguments, executor, Path(folder, f"home-{number}"))
                predicted = _predict(arguments, out)
                bare = _bare_seconds(network, arguments.data) if has_network else float("nan")
                if number:
                    ratios.append(predicted.rate / together)
                    starts.append(predicted.first / bare)
                memory = " to ".join(f"{value:.0f}" for value in predicted.memory)
                rates = f"{together:.0f}", f"{predicted.rate:.0f}", f"{predicted.rate / together:.2f}"
                _print_row(str(number or "warm-up"), *rates, f"{predicted.first:.1f}", f"{bare:.1f}", memory)
    print(
        f"\nmedians: {statistics.median(ratios):.2f} of the rate, first line after {statistics.median(starts):.2f} bare scripts"
    )


def _make_model(arguments: argparse.Namespace, out: Path) -> None:
    components = ("--backbone", arguments.backbone, "--augmentation", "none", "--imbalance", "none")
    command = [CXRBENCH, "run", "--data", arguments.data, "--split", "grouped", *components, "--no-controls", "--out", out]
    subprocess.run([*command, "--trials", "10", "--seeds", "3"], check=True, capture_output=True)


def _save_network(out: Path, path: Path) -> bool:
    """Write the model as one Keras file; return False if its backbone is no Keras model."""
    surroundings = Surroundings(host=load_host(), downloader=Downloader(offline=True, say=print))
    classifier = open_model("1", out, None, surroundings).classifier
    import keras

    if not isinstance(classifier.backbone, keras.Layer):
        return False
    hidden_kernel, hidden_bias, output_kernel, output_bias = classifier.head
    images = keras.Input((SIZE, SIZE, 1))
    hidden = keras.layers.Dense(len(hidden_bias), activation="relu")
    output = keras.layers.Dense(1, activation="sigmoid")
    features = classifier.backbone(keras.layers.Concatenate()([images] * CHANNELS))
    network = keras.Model(images, output(hidden(features)))
    hidden.set_weights([hidden_kernel, hidden_bias])
    output.set_weights([output_kernel, output_bias])
    network.save(path)
    return True


def _decode_and_extract(arguments: argparse.Namespace, executor: Executor, home: Path) -> float:
    """Return the images per second of decoding and extraction together, with nothing on disk but the files."""
    os.environ["CXRBENCH_HOME"] = str(home)
    catalogue = _catalogue(arguments.data)
    component = parse_component(arguments.backbone)
    backbone = bind(component, load_host().find(Backbone, component.name))
    weights = get_weights(backbone, (SIZE, SIZE, CHANNELS), Downloader(offline=True, say=print))
    extraction = Extraction(
        pixels=catalogue.pixels, backbone=backbone, weights=weights, augmentation=None, view=0, seed=0, precision="float32"
    )
    start = time.perf_counter()
    pending = extract_missing([extraction], catalogue.decode(), executor, Progress())
    if problem := pending.wait(extraction).problem:
        raise RuntimeError(problem)
    return len(catalogue.images.records) / (time.perf_counter() - start)


def _catalogue(data: Path) -> Catalogue:
    images = read_images(find_dataset(str(data), load_host()), Downloader(offline=True, say=print).fetch)
    return catalogue_images(images, Decoding(size=SIZE, resize="stretch", threads=usable_cores()))


def _predict(arguments: argparse.Namespace, out: Path) -> Predicted:
    command = [CXRBENCH, "predict", "1", arguments.data, "--out", out]
    start, memory, number = time.perf_counter(), list[float](), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(process.stdout)  # the names of the columns
        for number, _ in enumerate(process.stdout, 1):
            if number == 1:
                first = time.perf_counter()
            if number in MEMORY_AT:
                memory.append(_resident(process.pid))
        end = time.perf_counter()
    return Predicted(rate=(number - 1) / (end - first), first=first - start, memory=tuple(memory))


def _bare_seconds(network: Path, data: Path) -> float:
    image = next(find_images([str(data)])).path
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE_SCRIPT, network, image], check=True, capture_output=True)
    return time.perf_counter() - start


def _resident(process: int) -> float:
    """Return the resident memory of a process in MB, or 0 if it has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
    return 0.0


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default="mobilenet:alpha=0.25")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
