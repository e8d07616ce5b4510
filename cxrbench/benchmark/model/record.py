"""Write down what a model is, from its entry, its chosen heads and the images that they learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cxrbench.benchmark.entries import summarise_under
from cxrbench.evaluation.metrics import confusion, metrics
from cxrbench.leaderboard.store.entry import Confusion
from cxrbench.leaderboard.store.model_record import (
    ChosenHeads,
    InputFormat,
    ModelRecord,
    NetworkDataFormat,
    OutputFormat,
    PartDescription,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.benchmark.model.choice import Chosen
    from cxrbench.leaderboard.store.entry import DatasetFacts, Entry
    from cxrbench.leaderboard.store.image_record import Part, PartRecord


def model_record(
    entry: Entry, chosen: Chosen, images: Mapping[Part, PartRecord], format: Literal["keras", "plugin"]
) -> ModelRecord:
    """Return the record of a model.

    Args:
        entry: complete.
        chosen: the heads of the entry that it consists of.
        images: that they learnt from, by part.
        format: whether it can be saved as one Keras network.
    """
    assert entry.dataset is not None  # reading an entry has checked it
    protocol = entry.protocol
    of_row = ("recipe", "stage", "budget", "learns_from", "study", "protocol", "data", "control", "warnings", "versions")
    of_parts = ("backbone", "augmentation", "imbalance", "components", "dataset", "audit")
    return ModelRecord(
        **{name: getattr(entry, name) for name in (*of_row, *of_parts)},
        format=format,
        controls={},
        external={},
        exported_with={},
        files={},
        digest="",
        class_names=entry.dataset.class_names,
        threshold=chosen.threshold,
        threshold_rule=chosen.rule,
        network_data_format=_network_data_format(protocol.image_size, protocol.resize, entry.dataset),
        heads=ChosenHeads(
            folds=tuple(dict.fromkeys(fold.fold for fold, _ in chosen.heads)),
            seeds=tuple(dict.fromkeys(head.seed for _, head in chosen.heads)),
            selections=tuple(head.selection for _, head in chosen.heads),
            models=tuple(head.model for _, head in chosen.heads),
        ),
        params=tuple(fold.params for fold in {fold.fold: fold for fold, _ in chosen.heads}.values()),
        entry_metrics=entry.metrics,
        entry_intervals=entry.intervals,
        groups=entry.groups,
        images={part: PartDescription(**record.model_dump(exclude={"digests", "pixels"})) for part, record in images.items()},
        **_results(entry, chosen),
    )


def _network_data_format(size: int, resize: Literal["stretch", "pad"], dataset: DatasetFacts) -> NetworkDataFormat:
    return NetworkDataFormat(
        inputs={"image": InputFormat(spatial_shape=(size, size), channel_def={"0": "grey"}, resize=resize)},
        outputs={"score": OutputFormat(channel_def={"0": dataset.class_names.positive})},
    )


def _results(entry: Entry, chosen: Chosen) -> dict[str, Any]:
    if chosen.test is None or chosen.validation is None:
        return {"metrics": {}, "intervals": {}, "confusion": None, "validation": {}}
    test, validation, protocol = chosen.test, chosen.validation, entry.protocol
    summary = summarise_under(protocol, [test])
    return {
        "metrics": summary.metrics,
        "intervals": summary.intervals,
        "confusion": Confusion(**confusion(test.labels, test.scores, chosen.threshold)),
        "validation": metrics(validation.labels, validation.scores, chosen.threshold, prevalence=protocol.prevalence),
    }
