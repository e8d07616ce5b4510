"""How fast is `cxrbench predict`: images per second, seconds to the first line, and growth of its memory.

    cxrbench export 1 --to model
    python benchmarks/predict.py model --data .../chest_xray

The model must be one Keras network. Each round measures, one after the other: decoding and extraction of all files as
`cxrbench run` does them together, with workers that are already started; `cxrbench predict` on the same files after its first
line; and a bare script that imports Keras, loads the same network, decodes one image with Pillow and scores it. Processor time
is given besides, because other programs on the machine change it less.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import machine

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
from cxrbench.leaderboard.store.model_folder import read_model_record
from cxrbench.models.features.extraction import Extraction
from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.features.schedule import extract_missing
from cxrbench.models.weights import get_weights
from cxrbench.plugin import Backbone
from cxrbench.plugin.host import load_host

if TYPE_CHECKING:
    from collections.abc import Iterator

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
grey = np.asarray(image, dtype="float32")[None, ..., None]
print(float(np.ravel(model.predict(grey, verbose=0))[0]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Images per second, and milliseconds of processor time per image."""

    images: float
    processor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """One run of `cxrbench predict`: its rate after the first line, the seconds to it, and its resident MB at `MEMORY_AT`."""

    rate: Rate
    first: float
    memory: tuple[float, ...]


def main() -> None:
    """Print a Markdown table of the rounds, and the medians of the ratios."""
    arguments = _arguments()
    record = read_model_record(arguments.model)
    print(f"{machine.describe()}\n\n{record.backbone}\n")
    _print_row(
        "round", "decoding + extraction, images/s", "ms of processor an image", "predict, images/s", "ms of processor", "ratio"
    )
    _print_row(*["---"] * 6)
    rounds = list[tuple[Rate, Predicted, float]]()
    with tempfile.TemporaryDirectory() as folder, _home(folder), open_executor(usable_cores()) as executor:
        for number in range(arguments.rounds + 1):  # the first one reads the files and warms the workers up
            for cache in Path(folder).iterdir():
                shutil.rmtree(cache, ignore_errors=True)
            together, predicted = _decode_and_extract(arguments.data, record.backbone, executor), _predict(arguments)
            rounds.append((together, predicted, _bare_seconds(arguments)))
            cells = (
                f"{value:.{digits}f}"
                for rate in (together, predicted.rate)
                for value, digits in ((rate.images, 0), (rate.processor, 2))
            )
            _print_row(str(number or "warm-up"), *cells, f"{predicted.rate.images / together.images:.2f}")
    counted = rounds[1:]
    by_wall = statistics.median(predicted.rate.images / together.images for together, predicted, _ in counted)
    by_processor = statistics.median(together.processor / predicted.rate.processor for together, predicted, _ in counted)
    firsts, bares = ([pair[index] for pair in ((one.first, bare) for _, one, bare in counted)] for index in (0, 1))
    print(f"\nmedian ratio of images/s: {by_wall:.2f}; of images per second of processor: {by_processor:.2f}")
    print(f"first line after {_seconds(firsts)} s, bare script {_seconds(bares)} s")
    print(
        "resident MB at 500 and 5,000 images:",
        "; ".join(" to ".join(f"{mb:.0f}" for mb in one.memory) for _, one, _ in counted),
    )


@contextmanager
def _home(folder: str) -> Iterator[None]:
    """Set the cache before workers start: they keep it."""
    os.environ["CXRBENCH_HOME"] = folder
    yield


def _seconds(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _decode_and_extract(data: Path, backbone_text: str, executor: Executor) -> Rate:
    """Measure decoding and extraction together, with nothing on disk but the files."""
    catalogue = _catalogue(data)
    component = parse_component(backbone_text)
    backbone = bind(component, load_host().find(Backbone, component.name))
    weights = get_weights(backbone, (SIZE, SIZE, CHANNELS), Downloader(offline=True, say=print))
    extraction = Extraction(
        pixels=catalogue.pixels, backbone=backbone, weights=weights, augmentation=None, view=0, seed=0, precision="float32"
    )
    start, processor = time.perf_counter(), machine.processor_seconds(os.getpid())
    pending = extract_missing([extraction], catalogue.decode(), executor, Progress())
    if problem := pending.wait(extraction).problem:
        raise RuntimeError(problem)
    count = len(catalogue.images.records)
    used = machine.processor_seconds(os.getpid()) - processor
    return Rate(images=count / (time.perf_counter() - start), processor=1000 * used / count)


def _catalogue(data: Path) -> Catalogue:
    images = read_images(find_dataset(str(data), load_host()), Downloader(offline=True, say=print).fetch)
    return catalogue_images(images, Decoding(size=SIZE, resize="stretch", threads=usable_cores()))


def _predict(arguments: argparse.Namespace) -> Predicted:
    command = [CXRBENCH, "predict", arguments.model, arguments.data]
    start, memory, number = time.perf_counter(), list[float](), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(process.stdout)  # the names of the columns
        for number, _ in enumerate(process.stdout, 1):
            if number == 1:
                first, processor = time.perf_counter(), machine.processor_seconds(process.pid)
            if number in MEMORY_AT:
                memory.append(_resident(process.pid))
                used = (machine.processor_seconds(process.pid) - processor) / number
        end = time.perf_counter()
    rate = Rate(images=(number - 1) / (end - first), processor=1000 * used)
    return Predicted(rate=rate, first=first - start, memory=tuple(memory))


def _bare_seconds(arguments: argparse.Namespace) -> float:
    image = next(find_images([str(arguments.data)])).path
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE_SCRIPT, arguments.model / "model.keras", image], check=True, capture_output=True)
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
    parser.add_argument("model", type=Path, help="folder of an exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder of more than 5,000 images")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
