"""Measure whether the memory of a long search grows: resident memory per process, from trial 200 to trial 2,000.

    python benchmarks/growth.py

One recipe on small phantoms, so that trials are many and short. The memory at a trial is the mean over the fifty trials from
there on, as a single reading depends on the trial that is being trained.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

RUN = (
    *("run", "--data", "phantom:images=420,size=64", "--image-size", "64", "--backbone", "random-convnet", "--no-controls"),
    *("--augmentation", "none", "--imbalance", "none", "--epochs", "2", "--offline"),
)
WINDOW = 50
"""Trials over which readings are averaged."""


def main() -> None:
    """Print a Markdown table with one row per process."""
    arguments = _arguments()
    print(f"{machine.describe()}\n")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        readings = _watch(Path(folder), arguments)
        print(f"{arguments.trials:,} trials in {time.perf_counter() - start:.0f} s\n")
    print("| process | at trial | resident, MB | most until the last trial, MB | growth |\n|---|---|---|---|---|")
    for number, found in enumerate(_long_lived(readings, arguments)):
        (trial, at_first), *later = _windows(found, arguments)
        most = max(memory for _, memory in later)
        growth = f"{most / at_first - 1:+.1%}"
        print(f"| {'parent' if number == 0 else 'worker'} | {trial} | {at_first / 1e6:.1f} | {most / 1e6:.1f} | {growth} |")


def _watch(folder: Path, arguments: argparse.Namespace) -> dict[int, list[tuple[int, int]]]:
    """Run the command; return the readings of each process: recorded trials, and bytes."""
    command = [str(Path(sys.executable).parent / "cxrbench"), *RUN, "--trials", str(arguments.trials)]
    surroundings = {**os.environ, "CXRBENCH_HOME": str(folder / "home")}
    process = subprocess.Popen(
        command, cwd=folder, env=surroundings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    readings: dict[int, list[tuple[int, int]]] = {}
    while process.poll() is None:
        trials = _trials(folder)
        for number in _session(process.pid):
            if memory := _resident(number):
                readings.setdefault(number, []).append((trials, memory))
        time.sleep(0.2)
    if process.returncode:
        raise RuntimeError(f"the run ended with exit code {process.returncode}")
    return readings


def _trials(folder: Path) -> int:
    """Return the number of recorded trials: a journal has one line per trial, after a few header lines."""
    return sum(path.read_bytes().count(b'"op_code":4') for path in folder.glob("leaderboard/studies/*.journal"))


def _session(leader: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(folder.name))
        except OSError:  # the process has ended
            continue
    return found


def _resident(process: int) -> int:
    try:
        words = Path(f"/proc/{process}/status").read_text().partition("VmRSS:")[2].split()
    except OSError:
        return 0
    return int(words[0]) * 1024 if words else 0


def _long_lived(readings: dict[int, list[tuple[int, int]]], arguments: argparse.Namespace) -> list[list[tuple[int, int]]]:
    return [found for _, found in sorted(readings.items()) if len(_windows(found, arguments)) > 1]


def _windows(found: list[tuple[int, int]], arguments: argparse.Namespace) -> list[tuple[int, float]]:
    """Return the mean memory over each window of trials, from the first to the last one that was trained."""
    windows: dict[int, list[int]] = {}
    for trials, memory in found:
        if arguments.first <= trials < arguments.trials:  # after the last trial the process ranks
            windows.setdefault((trials - arguments.first) // WINDOW, []).append(memory)
    return [(arguments.first + WINDOW * number, sum(held) / len(held)) for number, held in sorted(windows.items())]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--first", type=int, default=200)
    return parser.parse_args()


if __name__ == "__main__":
    main()
