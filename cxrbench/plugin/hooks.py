"""The pluggy hook specifications: all that a plugin can implement.

``register_*`` hooks take no arguments and return declarations. ``on_*`` hooks are told what happens: their answer is
ignored, they may name any subset of the arguments, and an exception in one is reported, never fatal.

Arguments are only ever added. A hook or an argument that will go says so for a whole major version of the API first, through
pluggy's `warn_on_impl` and `warn_on_impl_args`; ``cxrbench plugins list`` shows that to whoever uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Engine, Imbalance

PROJECT = "cxrbench"
hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def register_datasets() -> Iterable[Dataset]:
    """Declare sources of labelled images."""
    return ()


@hookspec
def register_backbones() -> Iterable[Backbone]:
    """Declare functions from images to feature vectors."""
    return ()


@hookspec
def register_augmentations() -> Iterable[Augmentation]:
    """Declare random transforms of training images."""
    return ()


@hookspec
def register_imbalances() -> Iterable[Imbalance]:
    """Declare strategies against class imbalance."""
    return ()


@hookspec
def register_engines() -> Iterable[Engine]:
    """Declare who can propose trials."""
    return ()


@hookspec
def on_run_start(protocol: Any, recipes: Sequence[Any]) -> None:
    """Hear that the recipes are about to run under the protocol."""


@hookspec
def on_trial_end(recipe: Any, trial: Trial) -> None:
    """Hear that a trial has finished, complete or failed."""


@hookspec
def on_entry(entry: Any) -> None:
    """Hear that an entry has been written."""


@hookspec
def on_run_end(board: Any) -> None:
    """Hear that the run is over and how the board stands."""
