"""`cxrbench run`: give every recipe the same search under one protocol and print the ranked table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.interrupts import interruptible
from cxrbench.errors import Interrupted, NothingFinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.benchmark.run import Outcome

SOME_FAILED = 1


def _option(help_text: str, *names: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=help_text, metavar=metavar, show_default=False)
    return option


Components = list[str] | None
Preset = Annotated[
    str | None,
    _option("Settings of a known protocol, under all that is set otherwise: report or report-native", metavar="NAME"),
]
Data = Annotated[str | None, _option("A dataset's name, or a path that one recognises [phantom]", metavar="NAME|PATH")]
External = Annotated[
    list[str] | None, _option("A further test set, scored once with the frozen heads; repeatable", metavar="NAME=PATH")
]
Split = Annotated[
    str | None,
    _option("official, grouped or paper [official where the source has a test part, else grouped]", metavar="NAME"),
]
Folds = Annotated[int | None, _option("Cross-validation: a study, a threshold and a test part for each fold [1]")]
AllowLeak = Annotated[bool | None, _option("Go on though the audit finds images on two sides; marks all rows", "--allow-leak")]
Backbone = Annotated[Components, _option("Repeatable; name:key=value, wildcards and all work [the default grid]", metavar="C")]
Augmentation = Annotated[Components, _option("Repeatable [none, gentle]", metavar="C")]
Imbalance = Annotated[Components, _option("Repeatable [none, class-weights, smote]", metavar="C")]
Controls = Annotated[bool | None, _option("Run the controls once, too [yes]", "--controls/--no-controls")]
EngineName = Annotated[str | None, _option("Who proposes trials [optuna]", metavar="C")]
Trials = Annotated[int | None, _option("Finished trials of each recipe, in total [50]")]
Metric = Annotated[str | None, _option("What the search maximises on validation [auc]", metavar="NAME")]
Threshold = Annotated[
    str | None, _option("max-f1, max-accuracy, youden, recall>=R, fixed=T or search [max-f1]", metavar="POLICY")
]
AlsoAt = Annotated[list[float] | None, _option("A further threshold to report the rates at, repeatable", metavar="T")]
Prevalence = Annotated[float | None, _option("Share of pneumonia that ppv and npv are given for [0.1]")]
ImageSize = Annotated[int | None, _option("Height and width in pixels [224]")]
Resize = Annotated[str | None, _option("stretch or pad [stretch]", metavar="HOW")]
Precision = Annotated[
    str | None, _option("float32, or bfloat16 inside backbones: faster or not, and other features [float32]", metavar="NAME")
]
Epochs = Annotated[int | None, _option("At most, for each trial [10]")]
BatchSize = Annotated[int | None, _option("Rows per optimizer step [64]")]
Patience = Annotated[int | None, _option("Epochs without a better validation loss before a trial stops [3]")]
Pruning = Annotated[str | None, _option("Give trials up early: none, median or halving [none]", metavar="POLICY")]
Seed = Annotated[int | None, _option("Of split, weights, views and search [0]")]
Seeds = Annotated[int | None, _option("Trainings of each selected head, from as many seeds [1]")]
Workers = Annotated[int | None, _option("Worker processes; 0 computes in this one [one a core, at most 8]")]
MaxFailures = Annotated[int | None, _option("Failed trials in a row that end a recipe's study, though not the run [5]")]
Timeout = Annotated[float | None, _option("Seconds that one shard or one trial may take [21600: six hours]")]
MaxMemory = Annotated[str | None, _option("Memory that one worker may use, like 4GB; Linux only [no limit]", metavar="SIZE")]
Out = Annotated[Path | None, _option("Where leaderboards are written [leaderboard]", metavar="DIR")]
Storage = Annotated[
    str | None,
    _option("Record studies in a database; with a password, better as CXRBENCH_STORAGE [a file each, in --out]", metavar="URL"),
]
Fresh = Annotated[bool | None, _option("Start over, beside the results that there are", "--fresh")]
CacheGb = Annotated[float | None, _option("Images and features kept on disk, in GB; the longest unused go first [50]")]
Config = Annotated[Path | None, _option("Settings as TOML, under the flags' names [cxrbench.toml]", metavar="FILE")]
PluginFiles = Annotated[list[Path] | None, _option("A one-file plugin, repeatable", metavar="FILE")]
Without = Annotated[list[str] | None, _option("A plugin that is not to be loaded, repeatable", metavar="NAME")]
Fetch = Annotated[bool | None, _option("Fetch weights for the default grid, too", "--download")]
Offline = Annotated[bool | None, _option("Fetch nothing and probe nothing", "--offline")]
StrictData = Annotated[bool | None, _option("Stop at a file that cannot be read", "--strict-data")]
AsJson = Annotated[bool, _option("Print the rows as JSON instead of a table", "--json")]


def run(
    data: Data = None,
    preset: Preset = None,
    external: External = None,
    split: Split = None,
    folds: Folds = None,
    allow_leak: AllowLeak = None,
    backbone: Backbone = None,
    augmentation: Augmentation = None,
    imbalance: Imbalance = None,
    controls: Controls = None,
    engine: EngineName = None,
    trials: Trials = None,
    metric: Metric = None,
    threshold: Threshold = None,
    also_at: AlsoAt = None,
    prevalence: Prevalence = None,
    image_size: ImageSize = None,
    resize: Resize = None,
    precision: Precision = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    patience: Patience = None,
    pruning: Pruning = None,
    seed: Seed = None,
    seeds: Seeds = None,
    workers: Workers = None,
    max_failures: MaxFailures = None,
    timeout: Timeout = None,
    max_memory: MaxMemory = None,
    out: Out = None,
    storage: Storage = None,
    fresh: Fresh = None,
    cache_gb: CacheGb = None,
    config: Config = None,
    plugin: PluginFiles = None,
    without: Without = None,
    download: Fetch = None,
    offline: Offline = None,
    strict_data: StrictData = None,
    as_json: AsJson = False,
) -> None:
    """Give every recipe the same search and print the ranked leaderboard.

    Every flag is also a key of cxrbench.toml and, in capitals, an environment variable: CXRBENCH_TRIALS=50.
    C is a component: name, or name:key=value,key=value.
    """
    flags = {name: value for name, value in locals().items() if name not in {"config", "as_json"} and value not in (None, [])}
    from cxrbench.benchmark.run import run as run_benchmark
    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.plugin.host import load_host

    settings = read_settings(flags, config)
    host = load_host(settings.plugin, settings.blocked)
    try:
        with interruptible(), console.ConsoleProgress() as progress:
            outcome = run_benchmark(settings, host, progress)
    except KeyboardInterrupt:
        raise Interrupted("interrupted. Finished work is kept; run the same command again to resume") from None
    if as_json:
        console.print_json(outcome.board.records())
    else:
        console.print_board(outcome.board)
    for line in _remarks(outcome):
        console.print_talk(line)
    _exit(outcome)


def _remarks(outcome: Outcome) -> Iterator[str]:
    for entry in outcome.entries:
        if entry.status != "complete" and entry not in outcome.board.entries:
            yield f"{entry.recipe} is {entry.status} now: {entry.reason}. The board still shows its earlier result"
    if outcome.skipped_backbones:
        names = ", ".join(outcome.skipped_backbones)
        yield f"Skipped (weights not found): {names}. Run with --download to fetch them: cxrbench run --download"


def _exit(outcome: Outcome) -> None:
    complete = sum(entry.status == "complete" for entry in outcome.entries)
    if not complete:
        raise NothingFinished("no recipe was completed; the reasons are below the table")
    if complete < len(outcome.entries):
        raise typer.Exit(SOME_FAILED)
