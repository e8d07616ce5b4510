"""The results of an entry's frozen heads on shifted test images: one JSON file a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cxrbench.config.fields import ComponentText, Hash, Line, Name, RecipeName
from cxrbench.config.recipe import stem_of
from cxrbench.errors import CxrbenchError
from cxrbench.leaderboard.store.stored import Intervals, Metrics, Stored
from cxrbench.storage.files import write_json
from cxrbench.storage.json_records import read_record
from cxrbench.storage.schema import Schema

if TYPE_CHECKING:
    from pathlib import Path


class Loss(Stored):
    """What a shift costs and why; none of it is ever ranked.

    Attributes:
        best_accuracy: at the thresholds that would be best on the shifted images; the difference to the accuracy is the
            threshold's part.
        slope, intercept: the logistic recalibration of the logits (Cox, Biometrika 1958); 1 and 0 if the scores are calibrated.
            None where one class is separated from the other.
    """

    best_accuracy: float
    slope: float | None
    intercept: float | None


class ShiftScore(Stored):
    """The result under one shift at one strength.

    Attributes:
        name: the shift and its strength.
        covered: whether the recipe's augmentation changes training images alike.
        identity: hash of everything that the shifted images depend on.
        standard: whether it is one of the four standard kinds at the standard strength.
        problem: why there is no result; empty if there is one.
        images: test images of all folds; fewer than all are a sample. None where earlier versions kept no number: all.
        loss: what it costs and why.
    """

    name: Name
    shift: ComponentText
    strength: float
    unit: Line
    role: Literal["development", "test"]
    covered: bool
    identity: Hash
    standard: bool
    problem: Line
    images: int | None = None
    metrics: Metrics
    intervals: Intervals
    loss: Loss | None


class ShiftResult(Stored):
    """The results of a recipe under all shifts that were asked for.

    Attributes:
        selections: hashes of the heads' selections; other hashes mean other heads.
        scores: by name of the shift and its strength.
        metrics, intervals: means over the four standard kinds; empty if one of them is missing.
    """

    schema_version: Literal[1] = 1
    recipe: RecipeName
    selections: tuple[Name, ...]
    scores: tuple[ShiftScore, ...]
    metrics: Metrics
    intervals: Intervals

    @property
    def standard(self) -> tuple[ShiftScore, ...]:
        """The scores of the standard kinds."""
        return tuple(score for score in self.scores if score.standard)

    @property
    def worst(self) -> str:
        """The standard kind with the lowest AUC; empty if there are no means."""
        return min(self.standard, key=lambda score: score.metrics["auc"]).name if self.metrics else ""

    @property
    def by_name(self) -> dict[str, ShiftScore]:
        """The scores by name."""
        return {score.name: score for score in self.scores}


SHIFT_RESULT = Schema(what="result under shifts", model=ShiftResult, version=1)


def write_shift_result(path: Path, result: ShiftResult) -> None:
    """Write the result as JSON."""
    write_json(path, result.model_dump(mode="json"))


def read_shift_result(path: Path) -> ShiftResult:
    """Read ``PROTOCOL/shifts/RECIPE.json``; raise CxrbenchError if it is invalid or of another recipe."""
    result = read_record(path, SHIFT_RESULT, within=path.parent.parent)
    if path.stem != stem_of(result.recipe):
        raise CxrbenchError(f"{path} is refused: it is the result of {result.recipe}, and belongs elsewhere")
    return result
