"""Compare the time of a run on a Dask scheduler with that of the same run without one, on the same machine.

    python benchmarks/cluster.py --folder FOLDER [--pairs 3] [--workers 2] -- --data .../chest_xray --split grouped --trials 4

What comes after ``--`` goes to `cxrbench run`. Every run starts with an empty cache. The runs alternate; a scheduler and a
Dask worker, which has a process for each of its threads, are started for each run on it. Their start is not counted. A run
whose time is in FOLDER is not run again. The predictions of all runs must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAMS = Path(sys.executable).parent
START_S = 300.0


def main() -> None:
    """Print a Markdown table with a line for each pair of runs, and the ratio of the medians."""
    arguments = _arguments()
    folder = Path(arguments.folder).absolute()
    print(f"{machine.describe()}\n\n| pair | local, s | on a scheduler, s | ratio |\n|---|---|---|---|")
    pairs = []
    for number in range(arguments.pairs):
        pair = [_result(folder / f"{where}-{number}", where, arguments) for where in ("local", "scheduler")]
        pairs.append(pair)
        local, cluster = (found["seconds"] for found in pair)
        print(f"| {number + 1} | {local:.0f} | {cluster:.0f} | {cluster / local:.3f} |", flush=True)
    local, cluster = (statistics.median(found["seconds"] for found in some) for some in zip(*pairs, strict=True))
    digests = {found["predictions"] for pair in pairs for found in pair}
    print(f"| medians | {local:.0f} | {cluster:.0f} | {cluster / local:.3f} |")
    print(f"\npredictions: {'the same, byte for byte' if len(digests) == 1 else f'{len(digests)} different ones'}")


def _result(place: Path, where: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the time of a run and the digest of its predictions, from its file or from running it."""
    path = place.with_suffix(".json")
    if not path.exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        environment = {**os.environ, "CXRBENCH_HOME": str(place / "home")}
        with ExitStack() as stack:
            options: tuple[str, ...] = ("--workers", str(arguments.workers))
            if where == "scheduler":
                options = ("--scheduler", str(stack.enter_context(_cluster(place, environment, arguments.workers))))
            log = stack.enter_context((place / "run.log").open("w"))
            command = (PROGRAMS / "cxrbench", "run", "--offline", "--out", place / "out", *options, *arguments.run)
            start = time.perf_counter()
            subprocess.run(command, check=True, cwd=place, env=environment, stdout=log, stderr=log)
            seconds = time.perf_counter() - start
        path.write_text(json.dumps({"seconds": seconds, "predictions": _predictions(place / "out")}))
        shutil.rmtree(place / "home")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@contextmanager
def _cluster(place: Path, environment: Mapping[str, str], workers: int) -> Iterator[Path]:
    """Start a scheduler and a worker of so many threads; yield the scheduler's file when the worker is there."""
    from distributed import Client

    file = place / "scheduler.json"
    with (place / "cluster.log").open("w") as log:
        scheduler = (PROGRAMS / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        worker = (PROGRAMS / "dask", "worker", "--nthreads", str(workers), "--no-dashboard")
        commands = ((*scheduler, "--scheduler-file", file), (*worker, "--scheduler-file", file))
        processes = [subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=place) for command in commands]
        try:
            with Client(scheduler_file=str(file), timeout=START_S) as client:
                client.wait_for_workers(1, timeout=START_S)
            yield file
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait()


def _predictions(out: Path) -> str:
    """Return one digest of the names and contents of all prediction files."""
    files = sorted(out.glob("*/predictions/**/*.*"))
    contents = (f"{path.relative_to(out)} {sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return sha256("".join(contents).encode()).hexdigest() if files else "none"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder for results and temporary files")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("run", nargs="+", help="options of cxrbench run, after --")
    return parser.parse_args()


if __name__ == "__main__":
    main()
