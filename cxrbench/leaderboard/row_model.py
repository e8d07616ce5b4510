"""What loading the model of a row gives, as far as a board needs to know: `cxrbench.Model` and `cxrbench.Prediction`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cxrbench.leaderboard.store.model_record import ModelRecord


class RowPrediction(Protocol):
    """What a model says about an image."""

    @property
    def name(self) -> str:
        """The path of the image."""

    @property
    def score(self) -> float | None:
        """The score in 0..1; None if the image could not be read."""

    @property
    def call(self) -> str:
        """The name of the class; empty without a score."""

    @property
    def threshold(self) -> float:
        """A score at or above it is a positive call."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the score may not hold."""

    @property
    def reason(self) -> str:
        """Why the image could not be read; else empty."""


class RowModel(Protocol):
    """A model that scores images."""

    @property
    def record(self) -> ModelRecord:
        """What the model is."""

    def predict(self, paths: str | Path | Iterable[str | Path]) -> Sequence[RowPrediction]:
        """Return the prediction of each image, in order."""


class LoadsModel(Protocol):
    """Loads the model of an entry's file; options are those of `cxrbench.load_model`."""

    def __call__(
        self,
        model: str | Path,
        *,
        fold: int | None = None,
        seed: int | None = None,
        all_folds: bool = False,
        files: Sequence[str | Path] = (),
        trust_code: bool = False,
    ) -> RowModel:
        """Load it."""
