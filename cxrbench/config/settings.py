"""What a run is asked to do. Each setting is declared once: its type, default, description and group of options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

from cxrbench.config.option import Option
from cxrbench.config.protocol_settings import ProtocolSettings, Repeats
from cxrbench.config.settings_files import as_lists, read_file, read_preset
from cxrbench.config.split_name import LEFT_OUT, SplitName
from cxrbench.config.values import ClassText, Folder, MemorySize, Named, Names, NumbersOrNames, Paths
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

ENVIRONMENT_PREFIX = "CXRBENCH_"
DEFAULT_BACKBONES = (
    "mobilenet:alpha=0.25",
    "texture",
    "random-convnet",
    "resnet50",
    "densenet121",
    "inceptionv3",
    "vgg16",
    "efficientnetb0",
    "mobilenet",
)
"""The backbones of the default grid; those whose weights are not on the machine are skipped."""


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(ProtocolSettings, BaseSettings):
    """The settings of a run: flags, else ``CXRBENCH_*``, else ``cxrbench.toml``, else a preset, else these defaults."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    data: Annotated[str, Option("Data", "Name or path of the dataset", "NAME|PATH")] = "sample"
    external: Annotated[
        Named, Option("Data", "External test set, scored once with the frozen heads; repeatable", "NAME=PATH")
    ] = ()
    positive: Annotated[
        ClassText | None,
        Option(
            "Data",
            "Class of a folder tree or CSV file that is the positive one, such as TB; join several: TB+COVID",
            "CLASS",
            default="PNEUMONIA or 1",
        ),
    ] = None
    negative: Annotated[
        ClassText | None,
        Option("Data", "Likewise, the negative one; classes that are neither are left out", "CLASS", default="NORMAL or 0"),
    ] = None
    split: Annotated[
        SplitName | None,
        Option(
            "Data",
            "How images are divided: official, grouped, paper, or left-out:by=COLUMN to test on each group of a column in turn",
            "SPLIT",
            default="official if the dataset has a test part, else grouped",
        ),
    ] = None
    allow_leak: Annotated[bool, Option("Data", "Continue if the audit finds a leak, and mark all rows")] = False
    strict_data: Annotated[bool, Option("Data", "Stop at a file that cannot be read")] = False
    preset: Annotated[str, Option("Recipes", "Preset of settings: report or report-native", "NAME")] = ""
    backbone: Annotated[Names, Option("Recipes", "Backbone, wildcard or all; repeatable", "C", default="the default grid")] = ()
    augmentation: Annotated[Names, Option("Recipes", "Augmentation; repeatable", "C")] = ("none", "gentle")
    imbalance: Annotated[Names, Option("Recipes", "Imbalance strategy; repeatable", "C")] = ("none", "class-weights", "smote")
    controls: Annotated[bool, Option("Recipes", "Run each control once")] = True
    plugin: Annotated[Paths, Option("Recipes", "One-file plugin; repeatable", "FILE")] = ()
    without: Annotated[Names, Option("Recipes", "Plugin that is not loaded; repeatable", "NAME")] = ()
    block: Names = ()
    engine: Annotated[str, Option("Search", "Search engine that proposes trials", "C")] = "optuna"
    max_failures: Annotated[
        int, Field(ge=1), Option("Search", "Failed trials in a row after which the study of a recipe stops")
    ] = 5
    fine_tune: Annotated[
        NumbersOrNames,
        Option(
            "Fine-tuning",
            "Train all of the N best recipes by validation on images, one of each backbone, or of the recipe named; repeatable",
            "N|RECIPE",
        ),
    ] = ()
    fine_tune_trials: Annotated[Repeats, Option("Fine-tuning", "Finished trials of each study of a fine-tuned recipe")] = 4
    fine_tune_epochs: Annotated[Repeats, Option("Fine-tuning", "Most epochs of such a trial")] = 6
    fine_tune_from: Annotated[
        str,
        Field(min_length=1),
        Option(
            "Fine-tuning",
            "What is trained: all of the network, the upper half (auto; seconds per epoch), or what follows a layer",
            "LAYER|auto|all",
        ),
    ] = "all"
    from_scratch: Annotated[
        Names,
        Option(
            "Fine-tuning",
            "Recipe, as BACKBONE+AUGMENTATION+IMBALANCE, whose network is trained from random weights; repeatable",
            "RECIPE",
        ),
    ] = ()
    from_scratch_trials: Annotated[Repeats, Option("Fine-tuning", "Finished trials of each study from random weights")] = 2
    from_scratch_epochs: Annotated[Repeats, Option("Fine-tuning", "Most epochs of such a trial")] = 30
    workers: Annotated[
        int,
        Field(ge=0, le=256),
        Option("Compute", "Worker processes; 0 computes in this process", default="one per core, at most 8"),
    ] = Field(default_factory=lambda: min(8, usable_cores()))  # every worker loads TensorFlow
    scheduler: Annotated[
        str | None,
        Field(min_length=1),
        Option("Compute", "Dask scheduler, such as tcp://host:8786, or its file; its workers compute", "ADDRESS"),
    ] = None
    scheduler_wait: Annotated[
        float, Field(gt=0), Option("Compute", "Seconds to wait for a worker of the scheduler while there is none")
    ] = 600.0
    local_copy: Annotated[
        bool, Option("Compute", "Workers of the scheduler copy the arrays that they train on to their own disk (TMPDIR)")
    ] = False
    device: Annotated[
        Literal["auto", "cpu", "gpu"],
        Option(
            "Compute", "Where networks are computed: on GPUs if there are some (auto), on none (cpu), or on nothing else (gpu)"
        ),
    ] = "auto"
    timeout: Annotated[
        float | None, Field(gt=0), Option("Compute", "Time limit of one shard or trial in seconds", default="6 hours")
    ] = None
    max_memory: Annotated[
        MemorySize | None,
        Option("Compute", "Memory limit of one worker, such as 4GB; Linux only", "SIZE", default="no limit"),
    ] = None
    cache_gb: Annotated[float, Field(gt=0), Option("Compute", "Size limit of the cache in GB; the oldest items go first")] = (
        50.0
    )
    download: Annotated[bool, Option("Compute", "Also fetch missing weights for the default grid")] = False
    offline: Annotated[bool, Option("Compute", "Do not use the network")] = False
    out: Annotated[Folder, Option("Output", "Folder of the leaderboards", "DIR")] = Path("leaderboard")
    models: Annotated[bool, Option("Output", "Keep the weights of the heads that score test images")] = True
    robustness: Annotated[
        Literal["standard", "full", "none"],
        Option("Output", "Score the test images under shifts, too: four kinds, or all kinds and strengths"),
    ] = "standard"
    storage: Annotated[
        SecretStr | None,
        Option(
            "Output",
            "Database for the studies; set CXRBENCH_STORAGE if it has a password",
            "URL",
            default="one journal per study",
        ),
    ] = None
    fresh: Annotated[bool, Option("Output", "Start a new attempt and keep the earlier results")] = False

    @property
    def classes(self) -> dict[str, str]:
        """The classes that were chosen, as options of the dataset."""
        chosen = {"positive": self.positive, "negative": self.negative}
        return {option: text for option, text in chosen.items() if text is not None}

    @property
    def blocked(self) -> tuple[str, ...]:
        """The plugins that must not be imported, from both settings for it."""
        return (*self.without, *self.block)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of priority; the TOML file arrives as the init argument `file_`."""
        assert isinstance(init_settings, InitSettingsSource)
        in_file = InitSettingsSource(settings_cls, as_lists(settings_cls, init_settings.init_kwargs.pop("file_", {})))
        chosen = (source().get("preset") for source in (init_settings, env_settings, in_file))
        preset = read_preset(str(next(filter(None, chosen), "")))
        return init_settings, env_settings, in_file, InitSettingsSource(settings_cls, as_lists(settings_cls, preset))


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Return the settings from flags that are not None, else the environment, else the file, else the defaults.

    Args:
        flags: setting names to values, as given on the command line or to `cxrbench.run`.
        file: a TOML file; None for ``cxrbench.toml`` in the working folder, if it exists.

    Raises:
        ConfigError: naming the setting, the value and what is expected.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        arguments: dict[str, Any] = {**given, "file_": read_file(file)}
        settings = Settings(**arguments)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem) for problem in error.errors())) from None
    if settings.folds > 1 and (settings.split or "").startswith(LEFT_OUT):
        raise ConfigError(f"--folds {settings.folds}: --split {settings.split} has one fold for each group: leave --folds out")
    return settings


def _explain(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]).split(".", maxsplit=1)[0].replace("_", "-")
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name!r}; cxrbench run --help lists them"
    reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"--{name} {problem['input']}: {reason}"
