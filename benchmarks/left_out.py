"""Which criterion selects the recipe that is best on images that were left out? Figures for RESULTS.md.

Four tasks come from the file names of the 5,216 images of Kermany et al.: train, validate and test on one pair of a series of
normal images (IM or NORMAL2-IM) and a kind of pneumonia (bacteria or virus), and score the complementary pair with the same
heads. Virus against bacteria is another disease, not another acquisition.

    python benchmarks/left_out.py run --data .../chest_xray --to FOLDER [--trials 12]
    python benchmarks/left_out.py report --to FOLDER
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

from left_out_report import report

from cxrbench_datasets.kermany import find_patient

SERIES, KINDS = ("im", "normal2-im"), ("bacteria", "virus")
TASKS = {f"{series}+{kind}": (series, kind) for series, kind in product(SERIES, KINDS)}
LITE = "keras-file:path=efficientnet-lite0.keras"
PARTS = (
    ("mobilenet:alpha=0.25 texture", "none gentle:views=2 paper:views=2 strong:views=2", "none"),
    ("mobilenet:alpha=0.25 texture", "none", "class-weights smote"),
    (f"{LITE} random-convnet mobilenet:alpha=0.25,weights=none", "none", "none"),
)
"""Backbones, augmentations and imbalance strategies of each part of the grid; the last one brings the controls, too."""


def write_manifests(data: Path, folder: Path) -> None:
    """Write a manifest of each task's images."""
    rows: dict[str, list[tuple[str, str, str]]] = {task: [] for task in TASKS}
    for path in sorted(data.resolve().rglob("*.jpeg")):
        patient, label = find_patient(path.name), path.parent.name
        assert patient, path
        for task, kinds in TASKS.items():
            if patient.rpartition("-")[0].lower() in kinds:
                rows[task].append((str(path), label, patient))
    for task, found in rows.items():
        with (folder / f"{task}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "label", "patient"), *found])


def complement(task: str) -> str:
    """Return the task of the other series and the other kind."""
    series, kind = TASKS[task]
    return f"{SERIES[1 - SERIES.index(series)]}+{KINDS[1 - KINDS.index(kind)]}"


def run(folder: Path, trials: int, select: str) -> None:
    """Run the grid on every task, and score the complementary pair with the same heads."""
    for task in TASKS:
        for number, grid in enumerate(PARTS):
            command = [
                *("cxrbench", "run", "--data", f"{task}.csv", "--split", "grouped", "--trials", str(trials)),
                *("--external", f"left-out={complement(task)}.csv", "--out", f"{select}/{task}", "--offline"),
                *(["--select", select] if select == "robust" else []),
                *(["--controls"] if number == len(PARTS) - 1 else ["--no-controls"]),
            ]
            for flag, values in zip(("--backbone", "--augmentation", "--imbalance"), grid, strict=True):
                command += [word for value in values.split() for word in (flag, value)]
            environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Run the grids, or print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--select", choices=("validation", "robust"), default="validation")
    arguments = parser.parse_args()
    if arguments.what == "report":
        report(arguments.to, list(TASKS))
        return
    arguments.to.mkdir(parents=True, exist_ok=True)
    write_manifests(arguments.data, arguments.to)
    run(arguments.to, arguments.trials, arguments.select)


if __name__ == "__main__":
    main()
