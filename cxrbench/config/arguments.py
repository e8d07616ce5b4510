"""The arguments of `cxrbench.run`, for editors and type checkers. Written by ``python -m cxrbench.config.stub``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict


class Arguments(TypedDict, total=False):
    """Every setting of a run; the default of each is what ``cxrbench run --help`` shows."""

    data: str
    """Name or path of the dataset."""
    external: Sequence[str]
    """External test set, scored once with the frozen heads; repeatable."""
    positive: str | None
    """Class of a folder tree or CSV file that is the positive one, such as TB; join several: TB+COVID."""
    negative: str | None
    """Likewise, the negative one; classes that are neither are left out."""
    split: str | None
    """How images are divided: official, grouped, paper, or left-out:by=COLUMN to test on each group of a column in turn."""
    allow_leak: bool
    """Continue if the audit finds a leak, and mark all rows."""
    strict_data: bool
    """Stop at a file that cannot be read."""
    folds: int
    """Folds, each with its own study and test part."""
    image_size: int
    """Height and width of an image in pixels."""
    resize: Literal["stretch", "pad"]
    """How an image that is not square is made square."""
    preset: str
    """Preset of settings: report or report-native."""
    backbone: Sequence[str]
    """Backbone, wildcard or all; repeatable."""
    augmentation: Sequence[str]
    """Augmentation; repeatable."""
    imbalance: Sequence[str]
    """Imbalance strategy; repeatable."""
    controls: bool
    """Run each control once."""
    plugin: Sequence[str | Path]
    """One-file plugin; repeatable."""
    without: Sequence[str]
    """Plugin that is not loaded; repeatable."""
    engine: str
    """Search engine that proposes trials."""
    max_failures: int
    """Failed trials in a row after which the study of a recipe stops."""
    seed: int
    """Seed of split, weights, views and search."""
    trials: int
    """Finished trials of each study, in total."""
    metric: Literal["auc", "f1", "accuracy", "recall", "precision", "balanced-accuracy"]
    """Metric that the search maximises on validation images."""
    threshold: str
    """max-f1, max-accuracy, youden, median-(f1|accuracy|youden), recall>=R, fixed=T or search."""
    select: Literal["validation", "robust"]
    """Choose trial, recipe and threshold on validation images as they are, or under development shifts, too."""
    pruning: Literal["none", "median", "halving"]
    """How weak trials are stopped early."""
    epochs: int
    """Most epochs of a trial."""
    batch_size: int
    """Rows per optimizer step."""
    patience: int
    """Epochs without a better validation loss after which a trial stops."""
    precision: Literal["float32", "bfloat16"]
    """Precision of backbones."""
    seeds: int
    """Seeds that each selected head is trained with."""
    fine_tune: Sequence[str]
    """Train all of the N best recipes by validation on images, one of each backbone, or of the recipe named; repeatable."""
    fine_tune_trials: int
    """Finished trials of each study of a fine-tuned recipe."""
    fine_tune_epochs: int
    """Most epochs of such a trial."""
    fine_tune_from: str
    """What is trained: all of the network, the upper half (auto; seconds per epoch), or what follows a layer."""
    from_scratch: Sequence[str]
    """Recipe, as BACKBONE+AUGMENTATION+IMBALANCE, whose network is trained from random weights; repeatable."""
    from_scratch_trials: int
    """Finished trials of each study from random weights."""
    from_scratch_epochs: int
    """Most epochs of such a trial."""
    calibrate: Literal["none", "temperature"]
    """Divide logits by a number fitted on validation images, for Brier score and calibration; moves no decision."""
    also_at: Sequence[float]
    """Further threshold to report rates at; repeatable."""
    prevalence: float
    """Prevalence of the positive class for ppv and npv."""
    workers: int
    """Worker processes; 0 computes in this process."""
    scheduler: str | None
    """Dask scheduler, such as tcp://host:8786, or its file; its workers compute."""
    scheduler_wait: float
    """Seconds to wait for a worker of the scheduler while there is none."""
    local_copy: bool
    """Workers of the scheduler copy the arrays that they train on to their own disk (TMPDIR)."""
    device: Literal["auto", "cpu", "gpu"]
    """Where networks are computed: on GPUs if there are some (auto), on none (cpu), or on nothing else (gpu)."""
    timeout: float | None
    """Time limit of one shard or trial in seconds."""
    max_memory: str | None
    """Memory limit of one worker, such as 4GB; Linux only."""
    cache_gb: float
    """Size limit of the cache in GB; the oldest items go first."""
    download: bool
    """Also fetch missing weights for the default grid."""
    offline: bool
    """Do not use the network."""
    out: str | Path
    """Folder of the leaderboards."""
    models: bool
    """Keep the weights of the heads that score test images."""
    robustness: Literal["standard", "full", "none"]
    """Score the test images under shifts, too: four kinds, or all kinds and strengths."""
    storage: str | None
    """Database for the studies; set CXRBENCH_STORAGE if it has a password."""
    fresh: bool
    """Start a new attempt and keep the earlier results."""
