"""Build entries: the one place where the results of recipes, of the baseline and of ensembles become records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.benchmark.groups import group_results
from cxrbench.config.recipe import row_name, stem_of
from cxrbench.evaluation.bootstrap import draw_patients
from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.evaluation.summary import measure
from cxrbench.leaderboard.store.entry import (
    ClassLabels,
    ComponentFacts,
    Confusion,
    DatasetFacts,
    Entry,
    HeadResult,
    MeanResult,
    PartCounts,
)
from cxrbench.leaderboard.store.paths import predictions_path
from cxrbench.storage.safe_text import without_paths
from cxrbench.storage.versions import all_versions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from cxrbench.benchmark.plan import PlannedRecipe
    from cxrbench.config.part import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.values import Stage
    from cxrbench.data.audit.findings import Audit
    from cxrbench.data.dataset import LoadedDataset
    from cxrbench.data.split import Split
    from cxrbench.evaluation.bootstrap import FoldDraws
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.evaluation.summary import Measured, Summary
    from cxrbench.execution.devices import DeviceKind
    from cxrbench.leaderboard.store.entry import ComponentKind, EntryKind, FoldResult, Status
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.contracts import ClassNames, Failure
    from cxrbench.plugin.specs import Engine, Spec, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """What all entries of a run share.

    Attributes:
        data: the dataset as a component, without its location.
        warnings: that concern every entry.
    """

    protocol: Protocol
    data: str
    dataset: DatasetFacts | None
    audit: Audit
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySubject:
    """What an entry is the result of: its kind, its name and its parts; the fields are those of `Entry`."""

    kind: EntryKind
    recipe: str
    backbone: str
    augmentation: str
    imbalance: str
    control: bool
    stage: Stage = "head"
    budget: Mapping[str, int] = field(default_factory=dict)
    learns_from: str = "all"
    components: Mapping[ComponentKind, ComponentFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A complete result.

    Attributes:
        identity: hash of everything that it depends on.
        tested: test predictions of each head, with its threshold.
        folds: details of each fold.
        selected_by: the metric that the search maximised; empty without a search.
        seconds: by stage.
        parameters: of backbone and head.
        devices: what computed it, as the entry says it.
        development: the development shifts that it was selected under, too.
        warnings: that concern this entry alone.
    """

    identity: str
    tested: Sequence[Predictions]
    folds: tuple[FoldResult, ...]
    selected_by: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, tuple[DeviceKind, ...]] = field(default_factory=dict)
    development: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResult:
    """Why there is no result; the fields are those of `Entry`."""

    status: Status
    reason: str
    failure: Failure | None
    log: tuple[str, ...] = ()
    failed_params: Mapping[str, Value] = field(default_factory=dict)
    begun: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def build_entry(facts: EntryFacts, subject: EntrySubject, outcome: Result | NoResult) -> Entry:
    """Return the entry of a recipe, of the baseline or of an ensemble, with its result or the reason why it has none."""
    if isinstance(outcome, Result):
        own, warnings = _result_fields(facts.protocol, subject, outcome), outcome.warnings
    else:
        own, warnings = {**asdict(outcome), "reason": without_paths(outcome.reason)}, ()
    return Entry(
        protocol=facts.protocol,
        data=facts.data,
        versions=all_versions(),
        dataset=facts.dataset,
        audit=facts.audit,
        warnings=(*facts.warnings, *warnings),
        **asdict(subject),
        **own,
    )


def recipe_subject(planned: PlannedRecipe, engine: Part[Engine]) -> EntrySubject:
    """Return a recipe as the subject of its entry, with the engine that searched its heads."""
    recipe = planned.recipe
    return EntrySubject(
        kind="recipe",
        recipe=str(recipe),
        stage=planned.stage,
        budget=planned.budget,
        learns_from=planned.learns_from,
        backbone=str(recipe.backbone.component),
        augmentation=str(recipe.augmentation.component),
        imbalance=str(recipe.imbalance.component),
        control=recipe.backbone.spec.control,
        components={
            "backbone": _component_facts(recipe.backbone, planned.weights),
            "augmentation": _component_facts(recipe.augmentation),
            "imbalance": _component_facts(recipe.imbalance),
            **({"engine": _component_facts(engine)} if planned.stage == "head" else {}),
        },
    )


def head_result(
    protocol: Protocol, tested: Predictions, selection: str, members: Mapping[str, float] | None = None
) -> HeadResult:
    """Return the result of one head on the test images of its fold.

    Args:
        protocol: says which metrics.
        tested: its predictions, with its threshold.
        selection: hash of the frozen selection.
        members: of an ensemble, the weight of each member.
    """
    return HeadResult(seed=tested.seed, selection=selection, members=dict(members or {}), **_measured(protocol, tested))


def mean_result(protocol: Protocol, tested: Predictions, selection: str) -> MeanResult:
    """Return the result of the mean of the heads of all seeds on the test images of its fold; arguments as `head_result`."""
    return MeanResult(selection=selection, **_measured(protocol, tested))


def _measured(protocol: Protocol, tested: Predictions) -> dict[str, Any]:
    labels, scores, threshold = tested.labels, tested.scores, tested.chosen_threshold
    return {
        "threshold": threshold,
        "confusion": Confusion(**confusion(labels, scores, threshold)),
        "metrics": metrics(labels, scores, threshold, prevalence=protocol.prevalence, also_at=protocol.also_at),
    }


def summarise_under(protocol: Protocol, tested: Sequence[Predictions]) -> Summary:
    """Return metrics, intervals and seed spread of the heads of one entry, as `summary_under` does."""
    return summary_under(protocol, measure_under(protocol, tested))


def measure_under(
    protocol: Protocol,
    tested: Sequence[Predictions],
    names: Collection[str] | None = None,
    drawn: Mapping[int, FoldDraws] | None = None,
) -> Measured:
    """Measure the heads of one entry: all metrics if `names` is None. `drawn` are the patients' draws, if they are at hand."""
    return measure(
        tested, seed=protocol.seed, prevalence=protocol.prevalence, also_at=protocol.also_at, names=names, drawn=drawn
    )


def summary_under(protocol: Protocol, measured: Measured) -> Summary:
    """Return the summary of what was measured.

    A mean over groups that were left out has no interval: a handful of groups says nothing of others.
    """
    summary = measured.summary()
    return replace(summary, intervals={}) if len(measured.folds) > 1 and protocol.left_out else summary


def with_group(protocol: Protocol, fold: FoldResult, tested: Sequence[Predictions]) -> FoldResult:
    """Return the result of a fold with the group that it leaves out, if it does, and the intervals for this group."""
    if not protocol.left_out:
        return fold
    summary = summarise_under(protocol, [one for one in tested if one.fold == fold.fold])
    return fold.model_copy(update={"group": protocol.left_out[fold.fold], "intervals": summary.intervals})


def dataset_facts(dataset: LoadedDataset, splits: Sequence[Split]) -> DatasetFacts:
    """Count the images of each class, in all and in each part of each fold."""
    labels = dataset.labels
    return DatasetFacts(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        class_names=class_labels(dataset.class_names),
        negative=int(np.sum(labels == 0)),
        positive=int(np.sum(labels == 1)),
        patients=len(set(dataset.patients)),
        skipped=len(dataset.skipped),
        licence_class=dataset.licence_class,
        folds=tuple(_part_counts(labels, split) for split in splits),
    )


def class_labels(names: ClassNames) -> ClassLabels:
    """Return the names of the two classes as records hold them."""
    return ClassLabels(negative=names.negative, positive=names.positive)


def _component_facts(part: Part[Spec], weights: Weights | None = None) -> ComponentFacts:
    return ComponentFacts(
        package=part.origin.package,
        version=part.origin.version,
        source=part.origin.source,
        files={name: file.digest for name, file in part.files.items()},
        weights=weights.digest if weights else "",
        weights_origin=weights.origin if weights else "",
    )


def _result_fields(protocol: Protocol, subject: EntrySubject, result: Result) -> dict[str, Any]:
    drawn = draw_patients(result.tested, protocol.seed)
    summary = summary_under(protocol, measure_under(protocol, result.tested, drawn=drawn))
    return {
        "status": "complete",
        "study": result.identity,
        "metrics": summary.metrics,
        "intervals": summary.intervals,
        "seed_spread": summary.seed_spread,
        "groups": group_results(protocol, result.tested, drawn),
        "selected_by": result.selected_by,
        "development": result.development,
        "folds": tuple(with_group(protocol, fold, result.tested) for fold in result.folds),
        "seconds": {stage: round(seconds, 3) for stage, seconds in result.seconds.items()},
        "parameters": dict(result.parameters),
        "devices": dict(result.devices),
        "predictions": predictions_path(stem_of(row_name(subject.recipe, subject.stage))),
    }


def _part_counts(labels: NDArray[np.int64], split: Split) -> PartCounts:
    counts: dict[str, int] = {}
    for part, rows in {"train": split.train, "validation": split.validation, "test": split.test}.items():
        positive = int(labels[rows].sum())
        counts |= {f"{part}_negative": len(rows) - positive, f"{part}_positive": positive}
    return PartCounts(**counts)
