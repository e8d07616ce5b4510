"""Images of the dataset under shifts: have them shifted and their features extracted, and return both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.features import RecipeFeatures
from cxrbench.data.decoding.selected import selected_pixels
from cxrbench.data.shifted import Shifting, shift_missing
from cxrbench.execution.failures import failure_reason
from cxrbench.models.features.feature_source import ExtractionFailed
from cxrbench.models.features.schedule import extract_missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cxrbench.benchmark.extraction import StartedExtraction
    from cxrbench.benchmark.plan import Plan, PlannedRecipe
    from cxrbench.benchmark.resources import Resources
    from cxrbench.data.decoding.pixels import Pixels
    from cxrbench.data.shifted import PendingShifts, Shifted
    from cxrbench.models.features.schedule import PendingExtractions
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedShifts:
    """Images that workers are shifting.

    Attributes:
        shiftings: by shift.
        rows: ascending rows of the dataset's pixels that are shifted.
        pending: the shifted images.
        name: of these images, for progress stages.
    """

    shiftings: Mapping[Shifted, Shifting]
    rows: NDArray[np.int64]
    pending: PendingShifts
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftedImages:
    """Images under shifts, and their features that are being extracted.

    Attributes:
        shiftings: by shift.
        rows: ascending rows of the dataset's pixels that are shifted.
        failed: the errors of the shifts without images.
        pending: features of the recipes whose backbones are not searched.
        extraction: extracts those of searched backbones.
    """

    shiftings: Mapping[Shifted, Shifting]
    rows: NDArray[np.int64]
    failed: Mapping[Shifted, Exception]
    pending: PendingExtractions
    extraction: StartedExtraction

    @property
    def wanted(self) -> tuple[Shifted, ...]:
        """The shifts with their strengths."""
        return tuple(self.shiftings)

    def among(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of these rows of the dataset's pixels are shifted."""
        return np.isin(rows, self.rows)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which rows of the shifted images and of their features are these rows of the dataset's pixels."""
        return np.searchsorted(self.rows, rows)

    def pixels(self, shift: Shifted) -> Pixels:
        """Return the images under a shift; raise ExtractionFailed with the reason if the shift failed."""
        if error := self.failed.get(shift):
            raise ExtractionFailed(failure_reason(error)) from error
        return self.shiftings[shift].pixels

    def view(self, recipe: PlannedRecipe, setting: Mapping[str, Value], shift: Shifted) -> ShardedArray:
        """Return what the models of a recipe see under a shift: features as soon as they are extracted, or the images.

        Args:
            recipe: at its stage.
            setting: of its backbone, if the search chooses one.
            shift: one of those wanted.

        Raises:
            ExtractionFailed: the backbone or the shift failed.
        """
        if recipe.stage != "head":
            return self.pixels(shift).array
        assert isinstance(recipe.features, RecipeFeatures)
        clean = recipe.features.views[0]
        shifted = replace(clean, backbone=clean.backbone.at(setting), pixels=self.pixels(shift))
        pending = self.pending if shifted in self.pending.calls else self.extraction.extract([shifted])
        extracted = pending.wait(shifted)
        if extracted.problem:
            raise ExtractionFailed(extracted.problem) from extracted.error
        return shifted.features


def start_shifts(
    plan: Plan, resources: Resources, wanted: tuple[Shifted, ...], rows: NDArray[np.int64], name: str
) -> StartedShifts | None:
    """Have images shifted if a row may have no result yet; None if no shift is wanted.

    Args:
        plan: of the run.
        resources: its workers.
        wanted: shifts with their strengths.
        rows: ascending rows of the dataset's pixels.
        name: of these images, for progress stages.
    """
    if not wanted or not plan.may_score:
        return None
    original = selected_pixels(plan.catalogues.main.pixels, rows)
    shiftings = {shift: Shifting(original=original, shift=shift, seed=plan.protocol.seed) for shift in wanted}
    resources.claim([original.array.folder, *(one.pixels.array.folder for one in shiftings.values())])
    pending = shift_missing(shiftings.values(), resources.executor, resources.callbacks.progress, f"{name} images")
    return StartedShifts(shiftings=shiftings, rows=rows, pending=pending, name=name)


def extract_shifted(plan: Plan, extraction: StartedExtraction, started: StartedShifts) -> ShiftedImages:
    """Wait until images are shifted, and have their features extracted for every recipe without a result.

    Raises:
        DiskFull, WorkersUnavailable: no images can be shifted any more.
    """
    failed, resources = started.pending.wait(), extraction.resources
    shifted = [shifting.pixels for shift, shifting in started.shiftings.items() if shift not in failed]
    features = [recipe.features for recipe in plan.unfinished if isinstance(recipe.features, RecipeFeatures)]
    clean = dict.fromkeys(one.views[0] for one in features if not one.is_searched)
    extractions = [replace(view, pixels=pixels) for view in clean for pixels in shifted]
    resources.claim(one.features.folder for one in extractions)
    shards = range(shifted[0].array.shards if shifted else 0)
    progress = resources.callbacks.progress
    pending = extract_missing(extractions, shards, resources.executor, progress, f"{started.name} features")
    return ShiftedImages(shiftings=started.shiftings, rows=started.rows, failed=failed, pending=pending, extraction=extraction)
