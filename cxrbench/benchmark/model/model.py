"""A model that scores new images: a classifier and the record of what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.leaderboard.store.image_record import Part, PartRecord
    from cxrbench.leaderboard.store.model_record import ModelRecord
    from cxrbench.models.classifier import Classifier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A model of a row, or of an exported folder.

    Attributes:
        classifier: scores images.
        record: what it is.
        images: that it learnt from, by part; the test images are among them.
        learnt: the part of each of these images, by the digest of its file and by that of its pixels.
        warnings: that concern its use on this machine.
    """

    classifier: Classifier
    record: ModelRecord
    images: Mapping[Part, PartRecord]
    learnt: Mapping[str, Part]
    warnings: tuple[str, ...] = ()
