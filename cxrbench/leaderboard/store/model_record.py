"""What `model.json` says about a model: everything that its numbers mean and depend on."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from cxrbench.config.fields import ComponentText, Count, Hash, Line, Name, RecipeName
from cxrbench.config.protocol import Protocol
from cxrbench.config.recipe import row_name
from cxrbench.config.values import ExternalName, Stage
from cxrbench.data.audit.findings import Audit
from cxrbench.leaderboard.store.entry import ClassLabels, ComponentFacts, ComponentKind, Confusion, DatasetFacts
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.group_result import GroupResult
from cxrbench.leaderboard.store.image_record import FileRanges, LevelCounts, Part
from cxrbench.leaderboard.store.stored import Intervals, Metrics, Stored
from cxrbench.leaderboard.store.trial_history import ParameterValue


class InputFormat(Stored):
    """What the model is given, in the terms of MONAI's `network_data_format`.

    Attributes:
        num_channels: the smallest number; three equal ones are the same image.
        resize: how the harness makes images square before.
    """

    type: Literal["image"] = "image"
    format: Literal["magnitude"] = "magnitude"
    modality: Literal["CR"] = "CR"
    num_channels: Literal[1] = 1
    spatial_shape: tuple[Count, Count]
    dtype: Literal["float32"] = "float32"
    value_range: tuple[Count, Count] = (0, 255)
    is_patch_data: Literal[False] = False
    channel_def: dict[Name, Line]
    resize: Literal["stretch", "pad"]


class OutputFormat(Stored):
    """What the model returns, in the same terms."""

    type: Literal["probability"] = "probability"
    format: Literal["classes"] = "classes"
    num_channels: Literal[1] = 1
    spatial_shape: tuple[Count, ...] = ()
    dtype: Literal["float32"] = "float32"
    value_range: tuple[Count, Count] = (0, 1)
    is_patch_data: Literal[False] = False
    channel_def: dict[Name, Line]


class NetworkDataFormat(Stored):
    """MONAI's `network_data_format`."""

    inputs: dict[Name, InputFormat]
    outputs: dict[Name, OutputFormat]


class ChosenHeads(Stored):
    """Which heads of the entry the model consists of; the logits of several are averaged.

    Attributes:
        folds, seeds: of the heads: each seed of each fold.
        selections: hashes of the frozen selections, as the entry has them.
        models: SHA-256 of the stored weights of each head.
    """

    folds: tuple[Count, ...]
    seeds: tuple[Count, ...]
    selections: tuple[Name, ...]
    models: tuple[Hash, ...]


class PartDescription(Stored):
    """Counts of the images of one part, as in `PartRecord`."""

    negative: Count
    positive: Count
    patients: Count
    levels: LevelCounts
    files: FileRanges | None = None


class Estimates(Stored):
    """The metrics of another row of the same leaderboard, with their intervals."""

    metrics: Metrics
    intervals: Intervals


class ModelRecord(Stored):
    """A model of one entry.

    Attributes:
        budget, learns_from: of a network, as in `Entry`.
        control: whether its backbone is a control, which must not do well.
        format: ``keras`` for one whole network, ``plugin`` for the weights of a head or a network, which cxrbench builds with
            the plugin's code.
        threshold: a score at or above it is a positive call.
        threshold_rule: the policy, and the scores that it was applied to.
        heads: which heads it consists of.
        params: what the search selected, by fold.
        metrics, intervals, confusion: of this very model on the test images of its fold; empty for heads of all folds, because
            no image is left that none of them learnt from.
        validation: likewise on the validation images, which decided the threshold.
        entry_metrics, entry_intervals: of the row: the mean over single heads, each at its own threshold.
        groups: likewise, of groups of the test images; empty where there are none.
        controls: the controls of the same leaderboard, by recipe.
        external: results of the row on external test sets: the mean over single heads, each at its own threshold.
        images: counts of the images of each part; for heads of all folds, of the training part alone.
        versions: of the packages that the run used.
        exported_with: of the packages that the export used; empty for a model that is not exported.
        files: SHA-256 of the other files of an exported folder, by name; without its README.md, which people edit.
        digest: SHA-256 of everything else here in its canonical form; empty for a model that is not exported.
    """

    schema_version: Literal[1] = 1
    recipe: RecipeName
    stage: Stage
    budget: dict[Name, Count] = {}
    learns_from: Line = "all"
    control: bool
    format: Literal["keras", "plugin"]
    class_names: ClassLabels
    threshold: float
    threshold_rule: Line
    network_data_format: NetworkDataFormat
    heads: ChosenHeads
    params: tuple[dict[Name, ParameterValue], ...]
    metrics: Metrics
    intervals: Intervals
    confusion: Confusion | None
    validation: Metrics
    entry_metrics: Metrics
    entry_intervals: Intervals
    groups: tuple[GroupResult, ...] = ()
    controls: dict[RecipeName, Estimates]
    external: dict[ExternalName, ExternalResult]
    study: Hash
    protocol: Protocol
    data: ComponentText
    backbone: ComponentText
    augmentation: ComponentText
    imbalance: ComponentText
    components: dict[ComponentKind, ComponentFacts]
    dataset: DatasetFacts
    audit: Audit
    images: dict[Part, PartDescription]
    warnings: tuple[Line, ...]
    versions: dict[Name, Name]
    exported_with: dict[Name, Name]
    files: dict[Name, Hash]
    digest: Hash

    @model_serializer(mode="wrap")
    def _without_newer_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave newer fields out where they say nothing: digests of earlier versions cover no such fields."""
        silent = {"groups": not self.groups, "budget": not self.budget, "learns_from": self.learns_from == "all"}
        return {name: value for name, value in handler(self).items() if not silent.get(name)}

    @property
    def name(self) -> str:
        """The name of the row."""
        return row_name(self.recipe, self.stage)

    @property
    def input_format(self) -> InputFormat:
        """What the model is given."""
        return self.network_data_format.inputs["image"]
