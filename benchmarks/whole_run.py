"""Measure how the cost of a whole command grows with the number of images, and where its processor time goes.

    python benchmarks/whole_run.py --folder FOLDER [--images 2500 10000 40000 160000]

Each size is `cxrbench run` on drawn images of 64 x 64 pixels in an empty cache: `random-convnet` and the controls, 20 trials,
one imbalance strategy. Reported are processor seconds of all processes, the largest anonymous memory of any process, the
parent's processor time by stage, and what the same command takes when everything is finished. A size whose result is in FOLDER
is not run again. 160,000 images need 3 GB of disk.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = (
    *("--image-size", "64", "--backbone", "random-convnet", "--augmentation", "none", "--imbalance", "none"),
    *("--trials", "20", "--offline"),
    "--allow-leak",  # among 10 billion pairs of drawn images, some may look alike
)
STAGES = {
    "drawing and hashing": ("cxrbench.data.dataset:image_digests",),
    "decoding": ("cxrbench.data.catalogue:Catalogue.decode",),
    "near-duplicates": tuple(
        f"cxrbench.data.audit.compared:{name}" for name in ("near_pairs", "confirmed", "transformed_copies")
    ),
    "loading": ("cxrbench.benchmark.context:load_dataset",),
    "rest of the audit": ("cxrbench.benchmark.context:audit",),
    "splitting": ("cxrbench.benchmark.context:split_dataset",),
    "parent's part of recipes": ("cxrbench.benchmark.run:run_recipes",),
    "ranking and page": ("cxrbench.benchmark.run:publish",),
}
"""Functions that the parent's main thread calls one after the other; the time of an inner one counts for it alone."""
WORK = ("drawing and hashing", "decoding", "near-duplicates")
REST = "rest: start, plan, identities"


class Stopwatch:
    """The parent's processor seconds by stage."""

    def __init__(self) -> None:
        """Begin with the seconds that starting Python took."""
        self.seconds: dict[str, float] = {REST: 0.0}
        self._running, self._since = [REST], 0.0

    def lap(self) -> None:
        """Add the time since the last call to the stage that runs."""
        now = time.process_time()
        stage = self._running[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage; the stage around it pauses."""
        self.lap()
        self._running.append(name)
        try:
            yield
        finally:
            self.lap()
            self._running.pop()

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that measures its calls, or the steps of the generator that it returns."""

        def measured(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                result = call(*args, **options)
            return self._steps(name, result) if hasattr(result, "__next__") else result

        return measured

    def _steps(self, name: str, steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.stage(name):
                step = next(steps, None)
            if step is None:
                return
            yield step


def main() -> None:
    """Print a Markdown table with a line for each size, and one with the parent's stages."""
    arguments = _arguments()
    if arguments.inside:
        _run_inside(arguments.inside, Path(arguments.folder))
        return
    print(f"{machine.describe()}\n")
    results = {images: _result(images, Path(arguments.folder)) for images in arguments.images}
    print("| images | processor s | ms an image | of workers, s | most memory | outside of the work | again, s |")
    print("|---|---|---|---|---|---|---|")
    for images, found in results.items():
        print(f"| {images:,} | {' | '.join(_cells(images, found['first'], found['again']))} |")
    print(f"\n| the parent's processor s | {' | '.join(f'{images:,}' for images in results)} | the last again |")
    print("|---|" + "---|" * (len(results) + 1))
    measured = [*(found["first"] for found in results.values()), list(results.values())[-1]["again"]]
    for stage in (*STAGES, REST):
        cells = (f"{found['stages'].get(stage, 0):.1f}" for found in measured)
        print(f"| {stage} | {' | '.join(cells)} |")


def _cells(images: int, first: dict[str, Any], again: dict[str, Any]) -> tuple[str, ...]:
    total, parent = first["total"], first["stages"]
    outside = sum(seconds for stage, seconds in parent.items() if stage not in WORK) / total
    workers = total - sum(parent.values())
    memory = f"{first['memory'] / 1e9:.2f} GB"
    return f"{total:.0f}", f"{total / images * 1e3:.1f}", f"{workers:.0f}", memory, f"{outside:.1%}", f"{again['total']:.0f}"


def _result(images: int, folder: Path) -> dict[str, Any]:
    """Return the result of a size, from the folder or from running it; the cache and the results are removed afterwards."""
    path = folder / f"{images}.json"
    if not path.exists():
        place = folder / f"run-{images}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        result = {name: _measured(images, place, name) for name in ("first", "again")}
        path.write_text(json.dumps(result, indent=1))
        shutil.rmtree(place)
    return json.loads(path.read_text())


def _measured(images: int, place: Path, name: str) -> dict[str, Any]:
    """Run the command once and return its seconds, memory and stages."""
    command = [sys.executable, __file__, "--inside", str(images), "--folder", str(place)]
    environment = {**os.environ, "CXRBENCH_HOME": str(place / "home")}
    before, start = _children_seconds(), time.perf_counter()
    with machine.watched_memory(every=0.5) as memory, (place / f"{name}.log").open("w") as log:
        subprocess.run(command, check=True, cwd=place, env=environment, stdout=log, stderr=log)
    stages = json.loads((place / "stages.json").read_text())
    elapsed = time.perf_counter() - start
    print(f"{images:,} images, {name}: {elapsed:.0f} s", file=sys.stderr, flush=True)
    return {"total": _children_seconds() - before, "elapsed": elapsed, "memory": memory.peak, "stages": stages}


def _children_seconds() -> float:
    """Return the processor seconds of all processes that ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run_inside(images: int, place: Path) -> None:
    """Run the command in this process, and write its seconds by stage."""
    from cxrbench.cli import main as command

    watch = Stopwatch()
    for stage, functions in STAGES.items():
        for function in functions:
            module, _, path = function.partition(":")
            *owners, name = path.split(".")
            owner: Any = importlib.import_module(module)
            for each in owners:
                owner = getattr(owner, each)
            setattr(owner, name, watch.around(stage, getattr(owner, name)))
    sys.argv = ["cxrbench", "run", "--data", f"phantom:images={images},size=64", *RUN]
    try:
        command()
    finally:
        watch.lap()
        (place / "stages.json").write_text(json.dumps(watch.seconds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder for results and temporary files")
    parser.add_argument("--images", nargs="+", type=int, default=[2500, 10_000, 40_000, 160_000])
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
