"""The finished result of one recipe at one stage under one protocol: the record that one JSON file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat, SerializerFunctionWrapHandler, model_serializer

from cxrbench.config.fields import ComponentText, Count, Hash, Line, Name, RecipeName, RelativePath
from cxrbench.config.protocol import Protocol
from cxrbench.config.recipe import row_name, stem_of
from cxrbench.config.values import Stage
from cxrbench.data.audit.findings import Audit
from cxrbench.evaluation.metrics import metric_means
from cxrbench.execution.devices import DeviceKind
from cxrbench.leaderboard.store.group_result import GroupResult
from cxrbench.leaderboard.store.paths import models_path
from cxrbench.leaderboard.store.stored import Intervals, Metrics, Stored
from cxrbench.leaderboard.store.trial_history import ParameterValue, TrialHistory
from cxrbench.plugin.contracts import Failure, LicenceClass

if TYPE_CHECKING:
    from collections.abc import Iterator

Status = Literal["complete", "failed", "unavailable"]
EntryKind = Literal["recipe", "baseline", "ensemble"]
ComponentKind = Literal["backbone", "augmentation", "imbalance", "engine"]


def _without(field: tuple[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Leave a field out where it has this value: earlier versions read the record, too."""
    return {name: value for name, value in values.items() if (name, value) != field}


class ClassLabels(Stored):
    """The names of a dataset's two classes."""

    negative: Line = "NORMAL"
    positive: Line = "PNEUMONIA"


class PartCounts(Stored):
    """How many images of each class each part of a fold has."""

    train_negative: Count
    train_positive: Count
    validation_negative: Count
    validation_positive: Count
    test_negative: Count
    test_positive: Count


class DatasetFacts(Stored):
    """The images that a result was computed from.

    Attributes:
        class_names: what the negative and the positive class are called.
        negative, positive: images of each class.
        skipped: files that could not be read.
        licence_class: what the licence of the images allows.
        folds: images of each class in each part of each fold.
    """

    name: Line
    fingerprint: Hash
    class_names: ClassLabels = ClassLabels()
    negative: Count
    positive: Count
    patients: Count
    skipped: Count
    licence_class: LicenceClass = "undeclared"
    folds: tuple[PartCounts, ...]

    @model_serializer(mode="wrap")
    def _without_licence_class(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the class out where none is declared: records of earlier versions have none, and digests cover them."""
        return _without(("licence_class", "undeclared"), handler(self))


class Confusion(Stored):
    """The counts of a confusion matrix."""

    tp: int
    fp: int
    fn: int
    tn: int


class LearningCurves(Stored):
    """Loss and accuracy after each epoch, without dropout, augmentation and balancing; accuracy is at a score of 0.5."""

    train_loss: tuple[float, ...] = ()
    train_accuracy: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    validation_accuracy: tuple[float, ...] = ()


class HeadResult(Stored):
    """The result of one trained head on the test images of its fold.

    Attributes:
        seed: number of the repeat of the training, from 0.
        threshold: chosen on validation.
        temperature: what the logits of the stored weights are divided by; None without ``--calibrate``.
        selection: hash of all that was frozen before the test images were scored.
        model: SHA-256 of the stored weights; empty if they are not kept.
        curves: of the training; empty in entries of earlier versions.
        members: for an ensemble, the weight of each member recipe; the weights sum to 1.
    """

    seed: Count
    threshold: float
    temperature: PositiveFloat | None = None
    selection: Name = ""
    model: Hash = ""
    curves: LearningCurves = LearningCurves()
    members: dict[RecipeName, float] = {}
    confusion: Confusion
    metrics: Metrics

    @model_serializer(mode="wrap")
    def _without_temperature(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(("temperature", None), handler(self))


class MeanResult(Stored):
    """The result of the mean of the heads of all seeds of a fold: the model that is exported.

    Attributes:
        threshold: chosen on the validation scores of the mean.
        temperature: what its logits are divided by; None without ``--calibrate``.
        selection: hash of all that was frozen before the test images were scored.
    """

    threshold: float
    temperature: PositiveFloat | None = None
    selection: Name
    confusion: Confusion
    metrics: Metrics

    @model_serializer(mode="wrap")
    def _without_temperature(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(("temperature", None), handler(self))


class FoldResult(Stored):
    """The result of one fold.

    Attributes:
        study: identity of its study, which does not depend on the number of trials.
        selected_trial, params: what validation selected, without the threshold, which each head has its own.
        validation: metrics of the selected trial on the validation images, the mean over the versions that it was selected on.
        trials: finished trials by state.
        history: each of them.
        mean: of the logits of the heads of all seeds; None with one seed and in entries of earlier versions.
        group: the group that the fold leaves out and tests on; empty for a split that leaves out no groups.
        intervals: 95 % intervals of the mean over the heads, from resampled patients of the group; empty without a group.
    """

    fold: Count
    study: Hash = ""
    selected_trial: int | None = None
    params: dict[Name, ParameterValue] = {}
    validation: Metrics = {}
    trials: dict[Name, Count] = {}
    history: TrialHistory = TrialHistory()
    heads: tuple[HeadResult, ...]
    mean: MeanResult | None = None
    group: Line = ""
    intervals: Intervals = {}

    @model_serializer(mode="wrap")
    def _without_group(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the fields of a group out where there is none: earlier versions read the entry, too."""
        values: dict[str, Any] = handler(self)
        return values if self.group else {name: value for name, value in values.items() if name not in {"group", "intervals"}}

    def of_group(self, column: str) -> GroupResult:
        """Return the result of the group that the fold leaves out, one of a column."""
        counts = self.heads[0].confusion
        return GroupResult(
            column=column,
            group=self.group,
            negative=counts.fp + counts.tn,
            positive=counts.tp + counts.fn,
            metrics=self.metrics,
            intervals=self.intervals,
        )

    @property
    def metrics(self) -> dict[str, float]:
        """The mean over its heads of each metric that all of them have."""
        shared = [name for name in self.heads[0].metrics if all(name in head.metrics for head in self.heads)]
        return metric_means([{name: head.metrics[name] for name in shared} for head in self.heads])


class ComponentFacts(Stored):
    """What stands behind the name of a component.

    Attributes:
        package: the distribution that contains its plugin, or the name of a one-file plugin.
        version: of the package; empty for a one-file plugin.
        source: SHA-256 of the plugin's source.
        files: SHA-256 of the file of each option that names one.
        weights: SHA-256 of the pretrained weights; empty without a file.
        weights_origin: which file they are from and where it was found.
    """

    package: Line
    version: Line = ""
    source: Hash = ""
    files: dict[Name, Hash] = {}
    weights: Hash = ""
    weights_origin: Line = ""


class Entry(Stored):
    """The result of one recipe, of the baseline or of an ensemble.

    Attributes:
        kind: a searched recipe; the baseline, which needs no search; or an ensemble, the mean of recipes.
        data: the dataset as a component, without its location.
        components: what stands behind backbone, augmentation, imbalance and engine; empty in entries of earlier versions.
        stage: of training.
        budget: ``trials`` of each study and ``epochs``, where they are not those of the protocol: beyond the stage ``head``.
        learns_from: what of the network is trained: ``all``; above a cut, ``auto`` or the name of the layer below it.
        study: identity of the result, which does not depend on the number of trials.
        reason: failure reason and what to do; empty if the entry is complete.
        failure: kind of the failure.
        failed_params: parameters of the trial that stands for the failed ones.
        begun: for an entry without a result, finished trials by state of each study that was begun, by its identity.
        log: the last lines printed by the call that failed.
        metrics: of the test images: the mean over folds of the mean over seeds.
        intervals: 95 % intervals of the metrics; empty for a mean over groups, each of which has its own.
        seed_spread: standard deviation over the seeds; empty if there is one seed.
        groups: the results of groups of the test images; empty where nothing is known of them that makes groups.
        selected_by: the metric that the search maximised on validation.
        development: the shifts under which the validation images were scored, too, to select on all of them together.
        seconds: by stage, over all runs; recipes that share features each count the time they waited for them.
        parameters: how many the ``backbone`` has, if it is a network of Keras that is not searched, and a ``head``; empty in
            entries of earlier versions.
        devices: what computed ``features`` and ``training``: kinds of devices; left out where CPUs computed all.
        predictions: path of the stored table, relative to the protocol's folder; earlier versions wrote CSV.
    """

    schema_version: Literal[4] = 4
    kind: EntryKind = "recipe"
    protocol: Protocol
    data: ComponentText = ""
    recipe: RecipeName
    backbone: ComponentText
    augmentation: ComponentText
    imbalance: ComponentText
    control: bool
    components: dict[ComponentKind, ComponentFacts] = {}
    stage: Stage = "head"
    budget: dict[Name, Count] = {}
    learns_from: Line = "all"
    study: Hash = ""
    status: Status
    reason: Line = ""
    failure: Failure | None = None
    failed_params: dict[Name, ParameterValue] = {}
    begun: dict[Hash, dict[Name, Count]] = {}
    log: tuple[Line, ...] = ()
    metrics: Metrics = {}
    intervals: Intervals = {}
    seed_spread: Metrics = {}
    groups: tuple[GroupResult, ...] = ()
    selected_by: Name = ""
    development: tuple[Name, ...] = ()
    folds: tuple[FoldResult, ...] = ()
    seconds: Metrics = {}
    parameters: dict[Name, Count] = {}
    devices: dict[Name, tuple[DeviceKind, ...]] = {}
    versions: dict[Name, Name] = {}
    dataset: DatasetFacts | None = None
    audit: Audit = Audit()
    predictions: RelativePath = ""
    warnings: tuple[Line, ...] = ()

    @model_serializer(mode="wrap")
    def _without_newer_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave newer fields out where they say nothing: earlier versions read the entry, too."""
        silent = {"groups": not self.groups, "learns_from": self.learns_from == "all", "devices": not self.devices}
        return {name: value for name, value in handler(self).items() if not silent.get(name)}

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Yield what ``repr`` and ``print`` show: a line, not the whole record."""
        yield "recipe", self.name
        yield "status", self.status
        if self.selected_by in self.metrics:
            yield self.selected_by, round(self.metrics[self.selected_by], 3)

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows."""
        from cxrbench.leaderboard.report.notebook import entry_for_notebook

        return entry_for_notebook(self)

    @property
    def name(self) -> str:
        """The name of the row: that of the recipe, and of the stage if more than a head was trained."""
        return row_name(self.recipe, self.stage)

    @property
    def models(self) -> str:
        """The folder with its trained weights, relative to that of the protocol. It is not there if a run kept none."""
        return models_path(stem_of(self.recipe), self.stage)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The threshold of every head."""
        return tuple(head.threshold for fold in self.folds for head in fold.heads)

    @property
    def trials(self) -> dict[str, int]:
        """Finished trials of all folds by state, including those of studies without a result."""
        studies = [*(fold.trials for fold in self.folds), *self.begun.values()]
        states = {state for trials in studies for state in trials}
        return {state: sum(trials.get(state, 0) for trials in studies) for state in sorted(states)}

    @property
    def studies(self) -> dict[str, Hash]:
        """The identity of each study by what it is of: a fold, or one that was begun and has no result."""
        finished = {f"fold {fold.fold}": fold.study for fold in self.folds if fold.study}
        return finished | {f"begun, {number}": study for number, study in enumerate(self.begun, start=1)}

    @property
    def selections(self) -> tuple[str, ...]:
        """The hash of every frozen selection."""
        return tuple(head.selection for fold in self.folds for head in fold.heads)

    @property
    def members(self) -> dict[str, float]:
        """The mean weight of each member of an ensemble over its folds and seeds, the heaviest first."""
        heads = [head.members for fold in self.folds for head in fold.heads]
        weights = {name: sum(one.get(name, 0.0) for one in heads) / len(heads) for head in heads for name in sorted(head)}
        return dict(sorted(weights.items(), key=lambda member: (-member[1], member[0])))

    @property
    def by_left_out(self) -> dict[str, GroupResult]:
        """The result of each group that was left out, by group; empty without a result and for other splits."""
        folds = self.folds if self.status == "complete" else ()
        return {fold.group: fold.of_group(self.protocol.left_out_by) for fold in folds if fold.group}

    @property
    def by_group(self) -> dict[str, GroupResult]:
        """The result of each group: of those that were left out, by group, and of others by names such as ``sex=F``."""
        groups = self.groups if self.status == "complete" else ()
        return {**self.by_left_out, **{one.name: one for one in groups}}

    def validation(self, metric: str) -> float | None:
        """Return the mean over folds of a metric of the validation images."""
        values = [fold.validation[metric] for fold in self.folds if metric in fold.validation]
        return sum(values) / len(values) if values else None
