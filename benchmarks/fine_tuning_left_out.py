"""Does fine-tuning help on images that were left out, and under shifts? Figures for RESULTS.md.

The four tasks of `left_out.py`: heads on MobileNet 0.25 and `texture`, and the best recipe by validation fine-tuned. Each is
trained on one pair of a series and a kind of pneumonia, and scored on the complementary pair and under the standard shifts.

    python benchmarks/fine_tuning_left_out.py run --data .../chest_xray --to FOLDER [--trials 25] [--learns-from auto]
    python benchmarks/fine_tuning_left_out.py report --to FOLDER
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from left_out import TASKS, complement, write_manifests
from left_out_report import auc, read_rows
from machine import describe

from cxrbench.evaluation.ranking import resample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from left_out_report import Row

OUT = "validation"
"""The folder in which `read_rows` looks for the boards."""
STAGE = "@fine-tuned"


def run(folder: Path, trials: int, learns_from: str) -> None:
    """Run heads and the second stage on every task."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for task in TASKS:
        command = [
            *("cxrbench", "run", "--data", f"{task}.csv", "--split", "grouped", "--trials", str(trials), "--offline"),
            *("--backbone", "mobilenet:alpha=0.25", "--backbone", "texture", "--no-controls", "--fine-tune", "1"),
            *("--fine-tune-from", learns_from),
            *("--external", f"left-out={complement(task)}.csv", "--out", f"{OUT}/{task}"),
        ]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def report(folder: Path) -> None:
    """Print a table of the left-out pairs and one of the shifts."""
    print(describe())
    found = {task: read_rows(folder, task) for task in TASKS}
    headings = ("trained on", "head selected on validation", "best head there", "fine-tuned", "more than selected", "than best")
    print(f"\n| {' | '.join(headings)} |\n{'|---' * len(headings)}|")
    for task, rows in found.items():
        print(f"| {task} | {' | '.join(_left_out(rows))} |")
    print("\n| trained on | head selected on validation | best head | fine-tuned: mean AUC under the standard shifts |")
    print("|---" * 4 + "|")
    for task, rows in found.items():
        shifted = {name: row.criteria["auc_shifted"] for name, row in rows.items()}
        cells = [f"{shifted[name]:.4f}" for name in _compared(rows, shifted)]
        print(f"| {task} | {' | '.join(cells)} |")
    print("\nMean over the tasks of the fine-tuned rows, and of each head that is the same recipe on all of them:\n")
    print("| row | left out | under the standard shifts |\n|---|---|---|")
    for name, values in sorted(_means(found).items(), key=lambda one: -one[1][0]):
        print(f"| {name} | {' | '.join(f'{value:.5f}' for value in values)} |")


def _means(found: Mapping[str, Mapping[str, Row]]) -> dict[str, tuple[float, float]]:
    """Return the mean AUC over the tasks on the left-out pairs and under shifts, by row; fine-tuned rows count as one."""
    values: dict[str, list[tuple[float, float]]] = {}
    for rows in found.values():
        for name, row in rows.items():
            key = STAGE if name.endswith(STAGE) else name
            values.setdefault(key, []).append((auc(row.left_out), row.criteria["auc_shifted"]))
    return {name: (fmean(one[0] for one in some), fmean(one[1] for one in some)) for name, some in values.items()}


def _left_out(rows: Mapping[str, Row]) -> list[str]:
    """Return the AUC on the left-out pair of three rows, and what fine-tuning adds, with 95 % intervals."""
    reached = {name: auc(row.left_out) for name, row in rows.items()}
    selected, best, tuned = _compared(rows, reached)
    alike = {name: [replace(row.left_out, subset="test", fold=0, seed=0)] for name, row in rows.items()}
    resampled = resample(alike, {"auc"}, seed=0, prevalence=0.1)
    differences = [resampled.difference(tuned, other, "auc") for other in (selected, best)]
    gains = [f"{one.difference:+.4f} ({one.low:+.4f} to {one.high:+.4f})" for one in differences]
    return [f"{reached[selected]:.4f}", f"{reached[best]:.4f} ({best})", f"{reached[tuned]:.4f}", *gains]


def _compared(rows: Mapping[str, Row], values: Mapping[str, float]) -> tuple[str, str, str]:
    """Return the head that validation selects, the best head by some values, and the fine-tuned row."""
    heads = [name for name in rows if not name.endswith(STAGE)]
    (tuned,) = [name for name in rows if name.endswith(STAGE)]
    selected = max(heads, key=lambda name: rows[name].criteria["validation AUC"])
    return selected, max(heads, key=lambda name: values[name]), tuned


def main() -> None:
    """Run the tasks, or print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--learns-from", default="all")
    arguments = parser.parse_args()
    if arguments.what == "report":
        report(arguments.to)
        return
    arguments.to.mkdir(parents=True, exist_ok=True)
    write_manifests(arguments.data, arguments.to)
    run(arguments.to, arguments.trials, arguments.learns_from)


if __name__ == "__main__":
    main()
