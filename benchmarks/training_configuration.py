"""Compare training settings of the protocol (batch size, pruning) by cost and quality after a whole search.

    python benchmarks/training_configuration.py --setting batch-size 32 64 128 --data ../shared/data/chest_xray \
        --backbone mobilenet:alpha=0.25

Every value gets the same data, split and number of trials. Quality is that of the trial that the search selects.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cxrbench

if TYPE_CHECKING:
    from cxrbench.leaderboard.store.entry import Entry


def main() -> None:
    """Print a Markdown table with a row for each backbone and value, averaged over seeds."""
    arguments = _arguments()
    name = arguments.setting[0].replace("-", "_")
    print(f"{arguments.data}, {arguments.trials} trials, {arguments.seeds} seeds\n")
    print(f"| backbone | {arguments.setting[0]} | validation AUC | test AUC | search seconds | pruned trials |")
    print("|---|---|---|---|---|---|")
    for backbone in arguments.backbone:
        for value in arguments.setting[1:]:
            entries = [_entry(arguments, backbone, {name: value}, seed) for seed in range(arguments.seeds)]
            validation, test, seconds, pruned = (
                statistics.mean(column)
                for column in zip(
                    *(
                        (
                            entry.validation("auc"),
                            entry.metrics["auc"],
                            entry.seconds["search"],
                            entry.trials.get("pruned", 0),
                        )
                        for entry in entries
                    ),
                    strict=True,
                )
            )
            print(f"| {backbone} | {value} | {validation:.4f} | {test:.4f} | {seconds:.1f} | {pruned:.1f} |", flush=True)


def _entry(arguments: argparse.Namespace, backbone: str, setting: dict[str, str], seed: int) -> Entry:
    with tempfile.TemporaryDirectory() as out:
        board = cxrbench.run(
            data=arguments.data,
            backbone=[backbone],
            augmentation=[arguments.augmentation],
            imbalance=["none"],
            controls=False,
            trials=arguments.trials,
            seed=seed,
            out=Path(out),
            **setting,
        )
    return board.entries[0]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", nargs="+", required=True, metavar=("NAME", "VALUE"))
    parser.add_argument("--data", default="phantom")
    parser.add_argument("--backbone", nargs="+", default=["texture", "random-convnet"])
    parser.add_argument("--augmentation", default="none")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
