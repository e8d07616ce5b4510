"""The options of the commands that use a model, and the model that they name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from cxrbench.benchmark.model.backbone import Surroundings
    from cxrbench.benchmark.model.choice import HeadChoice
    from cxrbench.benchmark.model.model import Model
    from cxrbench.config.settings import Settings
    from cxrbench.execution.devices import Device
    from cxrbench.execution.progress import Progress

ModelName = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Rank, recipe or entry file of a row, or the folder of an exported model"),
]
Fold = Annotated[int | None, typer.Option(min=0, metavar="F", help="Take this fold  [default: 0]")]
Seed = Annotated[int | None, typer.Option(min=0, metavar="S", help="Take this seed alone; else the mean of all")]
AllFolds = Annotated[bool, typer.Option("--all-folds", help="Take the mean of all folds and seeds")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", metavar="PATH", help="File that an option of the recipe names, such as weights; repeatable"),
]
TrustCode = Annotated[
    bool, typer.Option("--trust-code", help="Allow code that the recipe names, such as hypermodel:class=PACKAGE.CLASS")
]

OnDevice = Annotated[
    Literal["auto", "cpu", "gpu"] | None,
    typer.Option(
        "--device", help="Compute on a GPU if there is one (auto), or not (cpu), or on nothing else (gpu)  [default: auto]"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the command line says about a model; the fields are the options above."""

    fold: int | None
    seed: int | None
    all_folds: bool
    file: tuple[Path, ...]
    trust_code: bool


def open_named(name: str, given: dict[str, Any], options: ModelOptions, progress: Progress) -> Model:
    """Return the model of a name on the command line, with the settings that were given."""
    from cxrbench.benchmark.model.open import open_model
    from cxrbench.config.settings import read_settings

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings = read_settings(given)
    progress.say("loading the model")
    return open_model(name, settings.out, head_choice(options), surroundings_of(settings, options, progress))


def head_choice(options: ModelOptions) -> HeadChoice | None:
    """Return the choice of heads, or None if none was made."""
    from cxrbench.benchmark.model import choice

    return choice.head_choice(options.fold, options.seed, options.all_folds)


def surroundings_of(settings: Settings, options: ModelOptions, progress: Progress) -> Surroundings:
    """Return what this machine has, with plugins and files that were given."""
    from cxrbench.benchmark.model.open import surroundings

    return surroundings(settings, progress, files=options.file, trust_code=options.trust_code)


def set_up_scoring(given: dict[str, Any], device: Device | None) -> None:
    """Set this process up to score many images; call it before anything imports NumPy.

    Args:
        given: the settings that were given.
        device: the option; None for the setting.
    """
    from cxrbench.config.settings import usable_cores
    from cxrbench.execution import keras_process

    keras_process.set_up_scoring(usable_cores())
    set_up_device(given, device)


def set_up_device(given: dict[str, Any], device: Device | None) -> None:
    """Let this process see one GPU or none, before anything imports TensorFlow; arguments as of `set_up_scoring`.

    Raises:
        ConfigError: the user wants a GPU, and none can be used.
    """
    from cxrbench.config.settings import read_settings
    from cxrbench.execution.executor import use_device

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    use_device(read_settings({**given, "device": device or given.get("device")}).device)
