"""The settings that must be equal for two recipes to be comparable."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from cxrbench.config.option import Option
from cxrbench.config.values import (
    Calibration,
    Metric,
    OpenShare,
    Precision,
    Pruning,
    Resize,
    SelectOn,
    ThresholdPolicy,
    Thresholds,
)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Repeats = Annotated[int, Field(ge=1, le=10**12)]


class ProtocolSettings(BaseModel):
    """The settings that a run is asked for and that its protocol records. Each is declared here and nowhere else."""

    folds: Annotated[int, Field(ge=1, le=20), Option("Data", "Folds, each with its own study and test part")] = 1
    image_size: Annotated[int, Field(ge=32, le=1024), Option("Data", "Height and width of an image in pixels")] = 224
    resize: Annotated[Resize, Option("Data", "How an image that is not square is made square")] = "stretch"
    seed: Annotated[Seed, Option("Search", "Seed of split, weights, views and search")] = 0
    trials: Annotated[Repeats, Option("Search", "Finished trials of each study, in total")] = 50
    metric: Annotated[Metric, Option("Search", "Metric that the search maximises on validation images")] = "auc"
    threshold: Annotated[
        ThresholdPolicy,
        Option("Search", "max-f1, max-accuracy, youden, median-(f1|accuracy|youden), recall>=R, fixed=T or search", "POLICY"),
    ] = "max-f1"
    select: Annotated[
        SelectOn,
        Option(
            "Search", "Choose trial, recipe and threshold on validation images as they are, or under development shifts, too"
        ),
    ] = "validation"
    pruning: Annotated[Pruning, Option("Search", "How weak trials are stopped early")] = "none"
    epochs: Annotated[Repeats, Option("Training", "Most epochs of a trial")] = 10
    batch_size: Annotated[Repeats, Option("Training", "Rows per optimizer step")] = 64
    patience: Annotated[Repeats, Option("Training", "Epochs without a better validation loss after which a trial stops")] = 3
    precision: Annotated[Precision, Option("Training", "Precision of backbones")] = "float32"
    seeds: Annotated[int, Field(ge=1, le=100), Option("Training", "Seeds that each selected head is trained with")] = 1
    calibrate: Annotated[
        Calibration,
        Option(
            "Evaluation",
            "Divide logits by a number fitted on validation images, for Brier score and calibration; moves no decision",
        ),
    ] = "none"
    also_at: Annotated[Thresholds, Option("Evaluation", "Further threshold to report rates at; repeatable", "T")] = ()
    prevalence: Annotated[OpenShare, Option("Evaluation", "Prevalence of the positive class for ppv and npv")] = 0.1
