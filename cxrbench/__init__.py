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
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from cxrbench.benchmark.model.model import Model
    from cxrbench.benchmark.model.predict import Prediction
    from cxrbench.config.arguments import Arguments
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.rows import Row
    from cxrbench.leaderboard.store.entry import Entry

__all__ = [
    "Augmentation",
    "Backbone",
    "Balance",
    "Board",
    "Choice",
    "ClassNames",
    "CrossEntropy",
    "CxrbenchError",
    "Dataset",
    "Download",
    "Engine",
    "Entry",
    "Float",
    "Focal",
    "Fold",
    "Images",
    "Imbalance",
    "Int",
    "Model",
    "Prediction",
    "Record",
    "Row",
    "Shift",
    "Trial",
    "hookimpl",
    "load_board",
    "load_model",
    "run",
]


_ELSEWHERE = {
    "Board": "cxrbench.leaderboard.board",
    "Entry": "cxrbench.leaderboard.store.entry",
    "Model": "cxrbench.benchmark.model.model",
    "Prediction": "cxrbench.benchmark.model.predict",
    "Row": "cxrbench.leaderboard.rows",
}
"""Public classes whose modules import NumPy or pydantic, which plugins do not need; they are imported when they are used."""


def __getattr__(name: str) -> Any:
    """Import a public class when it is used."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ELSEWHERE[name]), name)


def run(*, progress: bool = True, **settings: Unpack[Arguments]) -> Board:
    """Do what `cxrbench run` does, with its flags as arguments, and return the ranked board.

    ``cxrbench.run(data="chest_xray/", backbone=["resnet50"], trials=50, out="leaderboard")``; the environment and
    ``cxrbench.toml`` count here, too. A script prints nothing. Worker processes do not import your script.

    Args:
        progress: whether a notebook shows progress bars.
        settings: the flags of ``cxrbench run``.

    Raises:
        CxrbenchError: with a message that says what was wrong and what to do.
    """
    from dataclasses import replace

    from cxrbench.benchmark.run import run_benchmark
    from cxrbench.config.settings import read_settings
    from cxrbench.execution.notebook_progress import NotebookProgress, is_notebook
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.host import load_host

    resolved = read_settings(settings)
    shown = NotebookProgress() if progress and is_notebook() else Progress()
    board = run_benchmark(resolved, load_host(resolved.plugin, resolved.blocked), shown).board
    return replace(board, load_model=load_model)


def load_board(folder: str | Path = "leaderboard") -> Board:
    """Read the board of a protocol: ``board[0]`` is the first row, ``board.to_frame()`` a pandas table.

    Args:
        folder: of the protocol, or of a leaderboard with one protocol.

    Raises:
        CxrbenchError: there is no board, there are several, or a file is invalid.
    """
    from dataclasses import replace

    from cxrbench.leaderboard.lookup import find_board

    return replace(find_board(folder), load_model=load_model)


def load_model(
    model: str | Path,
    *,
    fold: int | None = None,
    seed: int | None = None,
    all_folds: bool = False,
    files: Sequence[str | Path] = (),
    trust_code: bool = False,
    **settings: Any,
) -> Model:
    """Load a model that scores images: ``cxrbench.load_model("pneumonia/").predict("images/")``.

    Args:
        model: folder of an exported model; or the rank, the recipe or the entry file of a row.
        fold: take this fold of the row; 0 if nothing is given.
        seed: take this seed alone, not the mean of all.
        all_folds: take the mean of all folds and seeds.
        files: that options of the recipe name, such as weights.
        trust_code: whether code that the recipe names may run.
        settings: `out`, `plugin`, `without` and `offline`, as in `run`.

    Raises:
        CxrbenchError: with a message that says what was wrong and what to do.
    """
    from cxrbench.benchmark.model.choice import head_choice
    from cxrbench.benchmark.model.open import open_model, surroundings
    from cxrbench.config.settings import read_settings
    from cxrbench.execution.progress import Progress

    resolved = read_settings(settings)
    here = surroundings(resolved, Progress(), files=files, trust_code=trust_code)
    return open_model(str(model), resolved.out, head_choice(fold, seed, all_folds), here)
