"""What must be equal for two recipes to be comparable."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from cxrbench.config.fields import ComponentText, Count, Hash, Line
from cxrbench.config.identity import CanonicalForm
from cxrbench.config.protocol_settings import ProtocolSettings
from cxrbench.config.values import SplitName
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
ALWAYS_RECORDED = ("image_size", "resize", "seed", "trials", "metric", "threshold", "epochs", "batch_size", "patience")
NOT_OF_A_STUDY = frozenset({"trials", "dataset", "notice", "seeds", "also_at", "prevalence"})


class Protocol(ProtocolSettings):
    """Everything that must be equal for two recipes to be comparable: settings, dataset, resolved split and engine."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[2] = 2
    dataset: Line
    fingerprint: Hash
    notice: Line = ""
    split: SplitName
    engine: ComponentText
    generation: Count = 6

    @model_validator(mode="before")
    @classmethod
    def _is_complete(cls, values: Any) -> Any:
        """Refuse a record without a value that every record has held: a default must not stand in for it."""
        if missing := [name for name in ALWAYS_RECORDED if isinstance(values, dict) and name not in values]:
            raise ValueError(f"{', '.join(missing)} missing")
        return values

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
