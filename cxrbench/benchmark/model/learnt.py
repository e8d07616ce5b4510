"""Which images a model learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.store.image_record import PARTS, FileRanges, PartRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cxrbench.benchmark.model.choice import HeadChoice
    from cxrbench.leaderboard.store.image_record import ImageRecord, Part


def images_of(record: ImageRecord, choice: HeadChoice) -> dict[Part, PartRecord]:
    """Return the images of a fold by part; for all folds, all of them as training images."""
    if choice.fold is not None:
        return record.folds[choice.fold]
    first, *others = (_joined(parts.values()) for parts in record.folds)
    return {"train": _with_images_of(first, others)}


def without_digests(images: Mapping[Part, PartRecord]) -> dict[Part, PartRecord]:
    """Return the counts of the parts alone: what may be known of credentialed images elsewhere."""
    return {part: record.model_copy(update={"digests": (), "pixels": ()}) for part, record in images.items()}


def learnt_from(images: Mapping[Part, PartRecord]) -> dict[str, Part]:
    """Return the part of each image by the digest of its file and by that of its pixels."""
    return {
        digest: part
        for part in reversed(PARTS)  # an image with the pixels of a training image is known as such
        if part in images
        for digest in (*images[part].digests, *images[part].pixels)
    }


def _with_images_of(first: PartRecord, others: Sequence[PartRecord]) -> PartRecord:
    """Return a record with the digests of all folds: where groups are left out, some images are in no part of a fold."""
    known = set(first.digests)
    further = dict(pair for one in others for pair in zip(one.digests, one.pixels, strict=True) if pair[0] not in known)
    return first.model_copy(update={"digests": (*first.digests, *further), "pixels": (*first.pixels, *further.values())})


def _joined(parts: Iterable[PartRecord]) -> PartRecord:
    found = list(parts)
    levels: dict[str, dict[str, tuple[int, int]]] = {}
    for attribute, rates in (item for part in found for item in part.levels.items()):
        of_attribute = levels.setdefault(attribute, {})
        for level, (negative, positive) in rates.items():
            before = of_attribute.get(level, (0, 0))
            of_attribute[level] = (before[0] + negative, before[1] + positive)
    return PartRecord(
        negative=sum(part.negative for part in found),
        positive=sum(part.positive for part in found),
        patients=sum(part.patients for part in found),
        levels=levels,
        files=_ranges_over(found),
        digests=tuple(digest for part in found for digest in part.digests),
        pixels=tuple(pixels for part in found for pixels in part.pixels),
    )


def _ranges_over(parts: Sequence[PartRecord]) -> FileRanges | None:
    ranges = [part.files for part in parts if part.files is not None]
    return FileRanges.over(ranges) if len(ranges) == len(parts) else None
