"""Images of the dataset under shifts: have their features extracted, and return them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.data.decoding.selected import selected_pixels
from cxrbench.models.features.feature_source import ExtractionFailed
from cxrbench.models.features.schedule import extract_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cxrbench.benchmark.extraction import StartedExtraction
    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.models.features.extraction import Shifted
    from cxrbench.models.features.schedule import PendingExtractions
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedImages:
    """Images under shifts whose features are being extracted.

    Attributes:
        wanted: shifts with their strengths.
        pixels: the images before they are shifted.
        rows: ascending rows of the dataset's pixels that they are.
        pending: features of the recipes whose backbones are not searched.
        extraction: extracts those of searched backbones.
    """

    wanted: tuple[Shifted, ...]
    pixels: Pixels
    rows: NDArray[np.int64]
    pending: PendingExtractions
    extraction: StartedExtraction

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these rows of the dataset's pixels are shifted."""
        return np.isin(rows, self.rows)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which rows of the features are these rows of the dataset's pixels."""
        return np.searchsorted(self.rows, rows)

    def features(self, recipe: PlannedRecipe, setting: Mapping[str, Value], shift: Shifted) -> ShardedArray:
        """Return the features under a shift as soon as they are extracted.

        Args:
            recipe: whose backbone extracts them.
            setting: of its backbone, if the search chooses one.
            shift: one of those wanted.

        Raises:
            ExtractionFailed: the backbone or the shift failed.
        """
        assert isinstance(recipe.features, RecipeFeatures)
        clean = recipe.features.views[0]
        shifted = replace(clean, backbone=clean.backbone.at(setting), pixels=self.pixels, shift=shift)
        pending = self.pending if shifted in self.pending.calls else self.extraction.extract([shifted])
        extracted = pending.wait(shifted)
        if extracted.problem:
            raise ExtractionFailed(extracted.problem) from extracted.error
        return shifted.features


def start_shifted(
    plan: Plan, extraction: StartedExtraction, wanted: tuple[Shifted, ...], rows: NDArray[np.int64], stage: str
) -> ShiftedImages | None:
    """Have the features of shifted images extracted, for every recipe without a result; None if no shift is wanted.

    Args:
        plan: of the run.
        extraction: where they are extracted.
        wanted: shifts with their strengths.
        rows: ascending rows of the dataset's pixels.
        stage: name of the progress stage.
    """
    if not wanted or not plan.unfinished:
        return None
    pixels, resources = selected_pixels(plan.catalogues.main.pixels, rows), extraction.resources
    features = [recipe.features for recipe in plan.unfinished if isinstance(recipe.features, RecipeFeatures)]
    clean = dict.fromkeys(one.views[0] for one in features if not one.is_searched)
    extractions = [replace(view, pixels=pixels, shift=shift) for view in clean for shift in wanted]
    resources.claim([pixels.array.folder, *(one.features.folder for one in extractions)])
    shards = range(pixels.array.shards)
    pending = extract_missing(extractions, shards, resources.executor, resources.callbacks.progress, stage)
    return ShiftedImages(wanted=wanted, pixels=pixels, rows=rows, pending=pending, extraction=extraction)
