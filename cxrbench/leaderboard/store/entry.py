"""One row of the leaderboard: the finished result of one recipe under one protocol, as one JSON file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cxrbench.config.fields import ComponentText, Count, Hash, Line, Name, RelativePath
from cxrbench.config.protocol import Protocol  # noqa: TC001  # pydantic reads the annotations at run time
from cxrbench.config.values import ExternalName  # noqa: TC001  # pydantic reads the annotations at run time
from cxrbench.data.audit.findings import Audit
from cxrbench.plugin.contracts import Failure  # noqa: TC001  # likewise

Status = Literal["complete", "failed", "unavailable"]
Kind = Literal["recipe", "majority", "ensemble"]
Value = bool | int | float | Name
RecipeName = Annotated[Name, Field(max_length=3 * 1000 + 2)]
"""Three components, joined by plus signs."""
Metrics = dict[Name, float]
Intervals = dict[Name, tuple[float, float]]


class Stored(BaseModel):
    """A record that is written down and checked when it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PartCounts(Stored):
    """How many images of each class fell into each part of a fold."""

    train_normal: Count
    train_pneumonia: Count
    validation_normal: Count
    validation_pneumonia: Count
    test_normal: Count
    test_pneumonia: Count


class DatasetFacts(Stored):
    """Which images a result is of."""

    name: Line
    fingerprint: Hash
    normal: Count
    pneumonia: Count
    patients: Count
    skipped: Count
    folds: tuple[PartCounts, ...]


class Confusion(Stored):
    """The counts of a confusion matrix; positive is pneumonia."""

    tp: int
    fp: int
    fn: int
    tn: int


class HeadResult(Stored):
    """What one trained head came to on the test images of its fold.

    Attributes:
        seed: which repeat of the training, from 0.
        threshold: chosen on validation.
        selection: hash of all that was frozen before the test images were scored.
        members: of an ensemble, by recipe: whose scores these are the mean of, and with which weight; they sum to 1.
    """

    seed: Count
    threshold: float
    selection: Name = ""
    members: dict[RecipeName, float] = {}
    confusion: Confusion
    metrics: Metrics


class FoldResult(Stored):
    """What one fold came to.

    Attributes:
        study: what its search depends on besides the budget.
        selected_trial, params: what validation chose; without the threshold, which each head has its own.
        validation: metrics of the selected trial on the validation images.
        trials: finished trials by state.
    """

    fold: Count
    study: Hash = ""
    selected_trial: int | None = None
    params: dict[Name, Value] = {}
    validation: Metrics = {}
    trials: dict[Name, Count] = {}
    heads: tuple[HeadResult, ...]


class ExternalResult(Stored):
    """What the frozen heads of an entry came to on a test set of another source.

    Attributes:
        selections: hashes of the heads' selections, so that a result of other heads is told apart.
        metrics, intervals: mean over the heads, each at its own threshold.
    """

    schema_version: Literal[1] = 1
    name: ExternalName
    dataset: Line
    fingerprint: Hash
    normal: Count
    pneumonia: Count
    recipe: RecipeName
    selections: tuple[Name, ...]
    metrics: Metrics
    intervals: Intervals


class Entry(Stored):
    """What one recipe came to.

    Attributes:
        kind: a searched recipe; the majority class, which needs no search; or an ensemble, which is a mean of recipes.
        data: the dataset as a component, without the place where it lies.
        study: what the result depends on besides the budget; another value means another experiment.
        reason: why it is not complete, and what to do.
        failure: what sort of failure that was.
        failed_params: what the trial was given that stands for those that failed.
        begun: of an entry without a result, by what each study that was begun depends on: its finished trials by state.
        log: the last lines of what was printed by the call that failed.
        metrics: of the test images: the mean over folds of the mean over seeds.
        intervals: 95 % intervals of the metrics.
        seed_spread: standard deviation over the seeds; empty if there is one.
        selected_by: what the search maximised on validation.
        seconds: per stage; features are shared by recipes and counted in each that waited for them.
        predictions: path of the stored table, relative to the protocol's folder.
    """

    schema_version: Literal[2] = 2
    kind: Kind = "recipe"
    protocol: Protocol
    data: ComponentText = ""
    recipe: RecipeName
    backbone: ComponentText
    augmentation: ComponentText
    imbalance: ComponentText
    control: bool
    stage: Literal["head"] = "head"
    study: Hash = ""
    status: Status
    reason: Line = ""
    failure: Failure | None = None
    failed_params: dict[Name, Value] = {}
    begun: dict[Hash, dict[Name, Count]] = {}
    log: tuple[Line, ...] = ()
    metrics: Metrics = {}
    intervals: Intervals = {}
    seed_spread: Metrics = {}
    selected_by: Name = ""
    folds: tuple[FoldResult, ...] = ()
    seconds: Metrics = {}
    versions: dict[Name, Name] = {}
    dataset: DatasetFacts | None = None
    audit: Audit = Audit()
    predictions: RelativePath = ""
    warnings: tuple[Line, ...] = ()

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The threshold of every head."""
        return tuple(head.threshold for fold in self.folds for head in fold.heads)

    @property
    def trials(self) -> dict[str, int]:
        """Finished trials of all folds by state, also where they came to no result."""
        studies = [*(fold.trials for fold in self.folds), *self.begun.values()]
        states = {state for trials in studies for state in trials}
        return {state: sum(trials.get(state, 0) for trials in studies) for state in sorted(states)}

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

    def validation(self, metric: str) -> float | None:
        """Return the mean over folds of a metric of the validation images."""
        values = [fold.validation[metric] for fold in self.folds if metric in fold.validation]
        return sum(values) / len(values) if values else None
