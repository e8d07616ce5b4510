"""Every column of a leaderboard as CSV and JSON. A column without a meaning here is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.protocol import Protocol
from cxrbench.leaderboard.columns import columns_of
from docs_reference.markdown import cell, code, page, table

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """\
`leaderboard.csv`, `cxrbench leaderboard --format csv` and `--format json`, and `cxrbench run --json` have one record for
each row, with these columns. A value that a row does not have is empty, or `null` in JSON. Numbers are in full precision.

[How the numbers are computed](../explanation/method.md) explains each metric.

A column marked **±** is followed by two others, the ends of its 95 % interval: `auc`, `auc_low`, `auc_high`.
"""
MEANINGS = {
    "protocol": "Name of the protocol, with the attempt if it is not the first",
    "rank": "Rank, from 1; rows with equal numbers share one",
    "rank_low": "Best rank of the rank interval",
    "rank_high": "Worst rank of the rank interval",
    "p_first": "Share of the resamplings in which the row is first",
    "tied_with_first": "Whether the row cannot be told apart from the first one",
    "p_auc": "Corrected p-value of the difference from the first row in AUC",
    "p_accuracy": "Corrected p-value of the difference from the first row in accuracy",
    "recipe": "Name of the recipe: `backbone+augmentation+imbalance`",
    "backbone": "Its backbone",
    "augmentation": "Its augmentation",
    "imbalance": "Its imbalance strategy",
    "kind": "`recipe`, `baseline` (the majority class) or `ensemble`",
    "control": "Whether the backbone is a control",
    "status": "`complete`, `failed` or `unavailable`",
    "stage": "`head`, `fine-tuned` or `from-scratch`",
    "accuracy": "Share of images with the right call",
    "recall": "Share of positive images that are called positive",
    "precision": "Share of positive calls that are right",
    "f1": "Harmonic mean of recall and precision",
    "auc": "Area under the ROC curve",
    "balanced-accuracy": "Mean of sensitivity and specificity",
    "specificity": "Share of negative images that are called negative",
    "sensitivity": "The same as recall",
    "pr-auc": "Average precision",
    "sensitivity-at-90-specificity": "Largest sensitivity at a specificity of at least 0.9",
    "ppv": "Positive predictive value at `--prevalence`",
    "npv": "Negative predictive value at `--prevalence`",
    "brier": "Brier score; lower is better",
    "ece": "Expected calibration error; lower is better",
    "accuracy_seed_sd": "Standard deviation of the accuracy over seeds",
    "recall_seed_sd": "The same of the recall",
    "precision_seed_sd": "The same of the precision",
    "f1_seed_sd": "The same of F1",
    "auc_seed_sd": "The same of the AUC",
    "auc_worst_group": "Lowest AUC among the groups of the test images",
    "worst_group": "Name of that group, such as `sex=F`",
    "groups_compared": "Among how many groups it is the lowest",
    "auc_worst_group_difference": "Its difference from all test images",
    "p_worst_group": "p-value of that difference, corrected for the number of groups",
    "group_NAME_negative": "Negative test images of group NAME",
    "group_NAME_positive": "Positive test images of group NAME",
    "auc_shifted": "Mean AUC under the four standard shifts",
    "auc_worst": "Lowest AUC under one of them",
    "worst_shift": "Name of that shift",
    "accuracy_shifted": "Mean accuracy under the four standard shifts, at the frozen thresholds",
    "recall_shifted": "The same of the recall",
    "specificity_shifted": "The same of the specificity",
    "shift_NAME@STRENGTH_auc": "AUC under one shift at one strength",
    "threshold": "Mean threshold of the heads",
    "validation_negative": "Negative validation images, the fewest of any fold",
    "validation_positive": "Positive validation images, the fewest of any fold",
    "folds": "Folds of the protocol",
    "seeds": "Seeds of the protocol",
    "trials": "Finished trials, all folds together",
    "trials_pruned": "Those that were stopped early",
    "trials_failed": "Those that failed",
    "validation": "The search metric on the validation images, mean over folds",
    "learning_rate": "Selected learning rate, if there is one fold",
    "dropout": "Selected dropout, if there is one fold",
    "seconds": "Seconds from features to test scores",
    "backbone_parameters": "Parameters of the backbone, if it is a Keras network",
    "head_parameters": "Parameters of the head",
    "reason": "Failure reason, or an empty string",
    "failure": "Kind of the [failure](exit-codes.md#kinds-of-failure), or empty",
    "audit": "Result of the data audit in one line",
    "warnings": "What must be read with the row; in CSV joined by `; `",
    "notice": "Notice of the dataset, such as its licence",
}
FAMILIES = {
    "METRIC@T": "The metric at the further threshold T of `--also-at`",
    "group_NAME_METRIC": "Accuracy, recall, precision, F1, AUC, balanced accuracy and specificity of group NAME",
    "external_NAME_METRIC": "Every metric on the external test set NAME",
    "rank_SHIFTED": "Rank by a column of shifts, such as `rank_auc_shifted`; its interval ends in `_low` and `_high`",
}


def columns_page() -> str:
    """Return the page of all columns."""
    rows = [(code(key), "±" * is_estimate, cell(MEANINGS[key])) for key, is_estimate in all_columns()]
    families = [(code(key), "±" * (key != "rank_SHIFTED"), cell(meaning)) for key, meaning in FAMILIES.items()]
    return page(
        "Columns of the leaderboard",
        "`cxrbench.leaderboard.columns`",
        INTRODUCTION,
        table(("column", "", "is"), rows),
        "## Columns that depend on the run",
        table(("column", "", "is"), families),
    )


def all_columns() -> Iterator[tuple[str, bool]]:
    """Yield the key of every column that `FAMILIES` does not cover, and whether it has an interval."""
    keys = columns_of(_any_protocol(), ["NAME"], ["NAME@STRENGTH"], (), ["NAME"]).keys()
    estimates = {key for key in keys if {f"{key}_low", f"{key}_high"} <= keys and key != "rank"}
    ends = {f"{key}_{end}" for key in estimates for end in ("low", "high")}
    for key in keys:
        is_covered = key.startswith(("external_", "rank_auc_", "rank_accuracy_", "rank_recall_", "rank_specificity_"))
        is_of_group = key.startswith("group_NAME_") and not key.endswith(("negative", "positive"))
        if key not in ends and not is_covered and not is_of_group:
            yield key, key in estimates


def _any_protocol() -> Protocol:
    required = {"image_size": 224, "resize": "stretch", "seed": 0, "trials": 1, "metric": "auc", "threshold": "max-f1"}
    rest = {"epochs": 1, "batch_size": 1, "patience": 1, "dataset": "any", "fingerprint": "0", "split": "grouped"}
    return Protocol.model_validate({**required, **rest, "engine": "optuna"})
