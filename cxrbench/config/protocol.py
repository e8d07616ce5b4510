"""What must be equal for two recipes to be comparable."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cxrbench.config.fields import ComponentText, Count, Hash, Line  # noqa: TC001  # pydantic reads the annotations at run time
from cxrbench.config.identity import CanonicalForm
from cxrbench.config.values import (  # noqa: TC001  # likewise
    Metric,
    OpenShare,
    Precision,
    Pruning,
    Resize,
    SplitName,
    ThresholdPolicy,
)
from cxrbench.storage.files import digest

FORM = CanonicalForm(
    version=2,
    spelled_out={
        name: name
        for name in (
            *("dataset", "fingerprint", "notice", "split", "folds", "image_size", "resize", "precision", "seed", "seeds"),
            *("engine", "trials", "generation", "metric", "threshold", "also_at", "prevalence"),
            *("epochs", "batch_size", "patience", "pruning"),
        )
    },
)
"""To rename a field, change its key here and keep its value."""
NOT_OF_A_STUDY = frozenset({"trials", "dataset", "notice", "seeds", "also_at", "prevalence"})


class Protocol(BaseModel):
    """Everything that must be equal for two recipes to be comparable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[2] = 2
    dataset: Line
    fingerprint: Hash
    notice: Line = ""
    split: SplitName
    folds: int = Field(default=1, ge=1, le=20)
    image_size: int = Field(ge=1, le=10_000)
    resize: Resize
    precision: Precision = "float32"
    seed: Count
    seeds: int = Field(default=1, ge=1, le=100)
    engine: ComponentText
    trials: Count
    generation: Count = 6
    metric: Metric
    threshold: ThresholdPolicy
    also_at: tuple[OpenShare, ...] = ()
    prevalence: float = Field(default=0.1, gt=0, lt=1)
    epochs: Count
    batch_size: Count
    patience: Count
    pruning: Pruning = "none"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is permitted and unwise."""
        if self.threshold == "search" and self.metric == "auc":
            return (
                "the AUC does not depend on the searched threshold, which is therefore a matter of chance: use --metric f1",
            )
        return ()

    @property
    def name(self) -> str:
        """A readable name that no other protocol has."""
        dataset = re.sub(r"[^A-Za-z0-9_]+", "-", self.dataset).strip("-") or "data"
        return f"{dataset[:60]}-{self.split}-{digest(FORM.of(self))[:8]}"

    @property
    def study_identity(self) -> str:
        """The hash of what a study depends on. The number of trials is not part of it, so a larger one adds trials."""
        return digest(FORM.of(self, leave_out=NOT_OF_A_STUDY))
