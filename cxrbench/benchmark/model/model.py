"""A model that scores new images: a classifier and the record of what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.benchmark.model.predict import Prediction
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

    def predict(self, paths: str | Path | Iterable[str | Path]) -> list[Prediction]:
        """Return the prediction of each image, in order; one that cannot be read has no score, but the reason.

        Args:
            paths: image files, folders and patterns.

        Raises:
            CxrbenchError: the backbone failed.
        """
        from cxrbench.benchmark.model.predict import predict_files
        from cxrbench.data.image_paths import find_images

        named = [paths] if isinstance(paths, str | Path) else paths
        return list(predict_files(self, find_images([str(path) for path in named])))
