"""cxrbench: the fair, fast referee for chest X-ray classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from cxrbench.plugin import (
    Augmentation,
    Backbone,
    Balance,
    Choice,
    ClassNames,
    CrossEntropy,
    CxrbenchError,
    Dataset,
    Download,
    Engine,
    Float,
    Focal,
    Fold,
    Images,
    Imbalance,
    Int,
    Record,
    Shift,
    Trial,
    hookimpl,
)

if TYPE_CHECKING:
    from cxrbench.config.arguments import Arguments
    from cxrbench.leaderboard.board import Board

__all__ = [
    "Augmentation",
    "Backbone",
    "Balance",
    "Choice",
    "ClassNames",
    "CrossEntropy",
    "CxrbenchError",
    "Dataset",
    "Download",
    "Engine",
    "Float",
    "Focal",
    "Fold",
    "Images",
    "Imbalance",
    "Int",
    "Record",
    "Shift",
    "Trial",
    "hookimpl",
    "run",
]


def run(**settings: Unpack[Arguments]) -> Board:
    """Do what `cxrbench run` does, with its flags as arguments, and return the ranked board.

    ``cxrbench.run(data="chest_xray/", backbone=["resnet50"], trials=50, out="leaderboard")``; the environment and
    ``cxrbench.toml`` count here, too. Nothing is printed. Worker processes do not import your script.

    Raises:
        CxrbenchError: with a message that says what was wrong and what to do.
    """
    from cxrbench.benchmark.run import run_benchmark
    from cxrbench.config.settings import read_settings
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.host import load_host

    resolved = read_settings(settings)
    return run_benchmark(resolved, load_host(resolved.plugin, resolved.blocked), Progress()).board
