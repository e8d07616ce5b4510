"""The hooks that a plugin can implement, as pluggy specifications.

``register_*`` hooks take no arguments and return declarations. ``on_*`` hooks are callbacks. They may name any subset of the
arguments. Their return value is ignored. An exception in a callback is reported and does not stop the run.

Within a major version of the API, arguments are only added. A hook or argument that will be removed is deprecated for one
major version first, with pluggy's `warn_on_impl` or `warn_on_impl_args`. ``cxrbench plugins list`` shows the deprecation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Engine, Imbalance, Shift

PROJECT = "cxrbench"
hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def register_datasets() -> Iterable[Dataset]:
    """Declare datasets: sources of labelled images."""
    return ()


@hookspec
def register_backbones() -> Iterable[Backbone]:
    """Declare backbones: functions from images to feature vectors."""
    return ()


@hookspec
def register_augmentations() -> Iterable[Augmentation]:
    """Declare augmentations: random transforms of training images."""
    return ()


@hookspec
def register_imbalances() -> Iterable[Imbalance]:
    """Declare imbalance strategies."""
    return ()


@hookspec
def register_engines() -> Iterable[Engine]:
    """Declare search engines, which propose trials."""
    return ()


@hookspec
def register_shifts() -> Iterable[Shift]:
    """Declare shifts: radiographic changes of test images."""
    return ()


@hookspec
def on_run_start(protocol: Any, recipes: Sequence[Any]) -> None:
    """Called when the run starts, before the first recipe: the protocol, and every recipe that will run."""


@hookspec
def on_trial_end(recipe: Any, stage: str, trial: Trial) -> None:
    """Called when a trial has finished: it is complete, pruned or failed. The stage is that of the entry that it is for."""


@hookspec
def on_entry(entry: Any) -> None:
    """Called when an entry has been written."""


@hookspec
def on_run_end(board: Any) -> None:
    """Called when the run has ended, with the leaderboard."""
