"""The images: how many of whom, what is known of them, and what the audit found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.recipe import unit_of
from cxrbench.leaderboard.card.markdown import bullets, paragraph, table
from cxrbench.leaderboard.store.image_record import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord

ROLES = {
    "train": "train",
    "validation": "validation (chose parameters and threshold)",
    "test": "test (scored once, after the choice)",
}
NO_LEVELS = "View, age, sex, site and source of the images are not known to cxrbench: fill in."

DIGESTS = "The digests of all these images are in images.json, so that programs can tell images that the model has learnt from."
CREDENTIALED = (
    "The images are credentialed: nothing here names one, not even by its digest, so no program can tell images that the model "
    "has learnt from."
)


def data_section(record: ModelRecord) -> list[str]:
    """Return counts per part, class and attribute, the split, the audit, and what cxrbench does not know."""
    names = record.class_names
    headings = ("part", f"{names.negative} (negative)", f"{names.positive} (positive)", "patients")
    return [
        *paragraph(_source(record)),
        *table(headings, _part_rows(record)),
        *paragraph(_split(record)),
        *_levels(record),
        "The data audit:",
        "",
        *bullets([f"{one.severity}: {one.message}" for one in record.audit.findings] or ["no findings"]),
        *paragraph(
            "How the images were selected, where and when they were taken, and how the labels were made, is not known to "
            f"cxrbench: fill in. {CREDENTIALED if record.dataset.licence_class == 'credentialed' else DIGESTS}"
        ),
    ]


def _source(record: ModelRecord) -> str:
    facts = record.dataset
    skipped = f"{facts.skipped:,} files could not be read and were left out." if facts.skipped else "No file was left out."
    return (
        f"{facts.name} ({record.data}), fingerprint {facts.fingerprint[:16]}: {facts.negative:,} negative and "
        f"{facts.positive:,} positive images of {facts.patients:,} patients. {skipped}"
    )


def _part_rows(record: ModelRecord) -> Iterator[tuple[str, ...]]:
    for part in PARTS:
        if found := record.images.get(part):
            yield (ROLES[part], f"{found.negative:,}", f"{found.positive:,}", f"{found.patients:,}")


def _split(record: ModelRecord) -> str:
    protocol = record.protocol
    if protocol.left_out:
        return f"Split: {protocol.split}. {_left_out(record)}"
    rule = {
        "official": "The test images are those of the source's own split.",
        "grouped": "No patient, and no image that two patients share, is in two parts.",
        "paper": "The images were divided at random: images of one patient may be in several parts (in-distribution).",
    }[protocol.split]
    folds = f" There are {protocol.folds} folds; this model is of fold {', '.join(map(str, record.heads.folds))}."
    return f"Split: {protocol.split}. {rule}{folds if protocol.folds > 1 else ''}"


def _left_out(record: ModelRecord) -> str:
    """Return which groups the heads or networks have seen no image of."""
    protocol, folds = record.protocol, record.heads.folds
    groups = ", ".join(protocol.left_out[fold] for fold in folds)
    if len(folds) > 1:
        each = f"Each of its {unit_of(record.stage)}s has left out another group of {protocol.left_out_by}: {groups}."
    else:
        each = f"It has seen no image of {protocol.left_out_by} {groups}, and none of a patient who has an image there."
    return f"{each} The test images are those of the group. No patient is in two parts."


def _levels(record: ModelRecord) -> list[str]:
    rows = [
        (part, attribute, level, f"{negative:,}", f"{positive:,}")
        for part in PARTS
        if part in record.images
        for attribute, levels in record.images[part].levels.items()
        for level, (negative, positive) in levels.items()
    ]
    if not rows:
        return paragraph(NO_LEVELS)
    return ["What is known of the images:", "", *table(("part", "attribute", "level", "negative", "positive"), rows)]
