"""`cxrbench run`: give every recipe the same search under one protocol and print the ranked table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.interrupts import interruptible
from cxrbench.cli.options import OneFilePlugins, OutFolder
from cxrbench.errors import Interrupted, NothingFinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.benchmark.run import RunOutcome

SOME_FAILED = 1


def _option(help_text: str, *names: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(*names, help=help_text, metavar=metavar, show_default=False)
    return option


ComponentsOption = list[str] | None
PresetOption = Annotated[str | None, _option("Preset of settings: report or report-native", metavar="NAME")]
DataOption = Annotated[str | None, _option("Name or path of the dataset [default: phantom]", metavar="NAME|PATH")]
ExternalOption = Annotated[
    list[str] | None, _option("External test set, scored once with the frozen heads; repeatable", metavar="NAME=PATH")
]
SplitOption = Annotated[
    str | None,
    _option("official, grouped or paper [default: official if there is a test part, else grouped]", metavar="NAME"),
]
FoldsOption = Annotated[int | None, _option("Folds of a cross-validation, each with its own study and test part [default: 1]")]
AllowLeakOption = Annotated[bool | None, _option("Continue if the audit finds a leak, and mark all rows", "--allow-leak")]
BackboneOption = Annotated[
    ComponentsOption, _option("Backbone, wildcard or all; repeatable [default: the default grid]", metavar="C")
]
AugmentationOption = Annotated[ComponentsOption, _option("Augmentation; repeatable [default: none, gentle]", metavar="C")]
ImbalanceOption = Annotated[
    ComponentsOption, _option("Imbalance strategy; repeatable [default: none, class-weights, smote]", metavar="C")
]
ControlsOption = Annotated[bool | None, _option("Run each control once [default: yes]", "--controls/--no-controls")]
EngineOption = Annotated[str | None, _option("Search engine that proposes trials [default: optuna]", metavar="C")]
TrialsOption = Annotated[int | None, _option("Finished trials of each study, in total [default: 50]")]
MetricOption = Annotated[str | None, _option("Metric that the search maximises on validation [default: auc]", metavar="NAME")]
ThresholdOption = Annotated[
    str | None, _option("max-f1, max-accuracy, youden, recall>=R, fixed=T or search [default: max-f1]", metavar="POLICY")
]
AlsoAtOption = Annotated[list[float] | None, _option("Further threshold to report rates at; repeatable", metavar="T")]
PrevalenceOption = Annotated[float | None, _option("Prevalence of the positive class for ppv and npv [default: 0.1]")]
ImageSizeOption = Annotated[int | None, _option("Height and width in pixels [default: 224]")]
ResizeOption = Annotated[str | None, _option("stretch or pad [default: stretch]", metavar="HOW")]
PrecisionOption = Annotated[
    str | None, _option("Precision of backbones: float32 or bfloat16 [default: float32]", metavar="NAME")
]
EpochsOption = Annotated[int | None, _option("Maximum number of epochs of a trial [default: 10]")]
BatchSizeOption = Annotated[int | None, _option("Rows per optimizer step [default: 64]")]
PatienceOption = Annotated[int | None, _option("Epochs without a better validation loss before a trial stops [default: 3]")]
PruningOption = Annotated[
    str | None, _option("Stop weak trials early: none, median or halving [default: none]", metavar="POLICY")
]
SeedOption = Annotated[int | None, _option("Seed of split, weights, views and search [default: 0]")]
SeedsOption = Annotated[int | None, _option("Number of seeds that each selected head is trained with [default: 1]")]
WorkersOption = Annotated[
    int | None, _option("Worker processes; 0 computes in this process [default: one per core, at most 8]")
]
MaxFailuresOption = Annotated[
    int | None, _option("Failed trials in a row after which the study of a recipe stops [default: 5]")
]
TimeoutOption = Annotated[float | None, _option("Time limit for one shard or trial in seconds [default: 21600]")]
MaxMemoryOption = Annotated[
    str | None, _option("Memory limit of one worker, such as 4GB; Linux only [default: no limit]", metavar="SIZE")
]
StorageOption = Annotated[
    str | None,
    _option(
        "Database for the studies; set CXRBENCH_STORAGE if it has a password [default: one journal per study]", metavar="URL"
    ),
]
FreshOption = Annotated[bool | None, _option("Start a new attempt and keep the earlier results", "--fresh")]
CacheGbOption = Annotated[float | None, _option("Size limit of the cache in GB; the oldest items go first [default: 50]")]
ConfigOption = Annotated[Path | None, _option("TOML file of settings [default: cxrbench.toml]", metavar="FILE")]
WithoutOption = Annotated[list[str] | None, _option("Plugin that is not loaded; repeatable", metavar="NAME")]
DownloadOption = Annotated[bool | None, _option("Also download missing weights for the default grid", "--download")]
OfflineOption = Annotated[bool | None, _option("Do not use the network", "--offline")]
StrictDataOption = Annotated[bool | None, _option("Stop at a file that cannot be read", "--strict-data")]
JsonOption = Annotated[bool, _option("Print the rows as JSON instead of a table", "--json")]


def run(
    data: DataOption = None,
    preset: PresetOption = None,
    external: ExternalOption = None,
    split: SplitOption = None,
    folds: FoldsOption = None,
    allow_leak: AllowLeakOption = None,
    backbone: BackboneOption = None,
    augmentation: AugmentationOption = None,
    imbalance: ImbalanceOption = None,
    controls: ControlsOption = None,
    engine: EngineOption = None,
    trials: TrialsOption = None,
    metric: MetricOption = None,
    threshold: ThresholdOption = None,
    also_at: AlsoAtOption = None,
    prevalence: PrevalenceOption = None,
    image_size: ImageSizeOption = None,
    resize: ResizeOption = None,
    precision: PrecisionOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    patience: PatienceOption = None,
    pruning: PruningOption = None,
    seed: SeedOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    max_failures: MaxFailuresOption = None,
    timeout: TimeoutOption = None,
    max_memory: MaxMemoryOption = None,
    out: OutFolder = None,
    storage: StorageOption = None,
    fresh: FreshOption = None,
    cache_gb: CacheGbOption = None,
    config: ConfigOption = None,
    plugin: OneFilePlugins = None,
    without: WithoutOption = None,
    download: DownloadOption = None,
    offline: OfflineOption = None,
    strict_data: StrictDataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give every recipe the same search and print the ranked leaderboard.

    Every flag is also a key of cxrbench.toml and an environment variable, such as CXRBENCH_TRIALS=50. C is a component:
    name, or name:key=value,key=value.
    """
    flags = {name: value for name, value in locals().items() if name not in {"config", "as_json"} and value not in (None, [])}
    from cxrbench.benchmark.run import run_benchmark
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
    for line in _closing_lines(outcome):
        console.print_message(line)
    _exit(outcome)


def _closing_lines(outcome: RunOutcome) -> Iterator[str]:
    for entry in outcome.entries:
        if entry.status != "complete" and entry not in outcome.board.entries:
            yield f"{entry.recipe} is {entry.status} now: {entry.reason}. The board still shows its earlier result"
    if outcome.skipped_backbones:
        names = ", ".join(outcome.skipped_backbones)
        yield f"Skipped (weights not found): {names}. Run with --download to fetch them: cxrbench run --download"


def _exit(outcome: RunOutcome) -> None:
    complete = sum(entry.status == "complete" for entry in outcome.entries)
    if not complete:
        raise NothingFinished("no recipe was completed; the reasons are below the table")
    if complete < len(outcome.entries):
        raise typer.Exit(SOME_FAILED)
