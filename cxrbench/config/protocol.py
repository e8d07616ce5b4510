"""What must be equal for two recipes to be comparable."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from cxrbench.config.fields import ComponentText, Count, Hash, Line, Lines
from cxrbench.config.identity import CanonicalForm
from cxrbench.config.protocol_settings import ProtocolSettings
from cxrbench.config.split_name import SplitName, column_of
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
NOT_OF_A_STUDY = frozenset({"trials", "dataset", "notice", "seeds", "calibrate", "also_at", "prevalence"})


class Protocol(ProtocolSettings):
    """Everything that must be equal for two recipes to be comparable: settings, dataset, resolved split and engine.

    Attributes:
        left_out: the group that each fold leaves out; empty for a split that leaves out no groups.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[2] = 2
    dataset: Line
    fingerprint: Hash
    notice: Line = ""
    split: SplitName
    engine: ComponentText
    generation: Count = 6
    left_out: Lines = ()

    @model_validator(mode="before")
    @classmethod
    def _is_complete(cls, values: Any) -> Any:
        """Refuse a record without a value that every record has held: a default must not stand in for it."""
        if missing := [name for name in ALWAYS_RECORDED if isinstance(values, dict) and name not in values]:
            raise ValueError(f"{', '.join(missing)} missing")
        return values

    @model_validator(mode="after")
    def _names_its_groups(self) -> Self:
        column = column_of(self.split)
        if bool(column) != bool(self.left_out) or (column and len(set(self.left_out)) != self.folds):
            raise ValueError(f"split {self.split} with {self.folds} folds names {len(set(self.left_out))} groups")
        return self

    @model_serializer(mode="wrap")
    def _without_groups(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave `left_out` out where there are no groups: the digests of exported models stay the same."""
        values: dict[str, Any] = handler(self)
        return values if self.left_out else {name: value for name, value in values.items() if name != "left_out"}

    @property
    def left_out_by(self) -> str:
        """The column whose groups the folds leave out; empty for another split."""
        return column_of(self.split)

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
        split = re.sub(r"[^A-Za-z0-9]+", "-", self.split)[:40].strip("-")
        return f"{dataset[:60]}-{split}-{digest(FORM.of(self))[:8]}"

    @property
    def study_identity(self) -> str:
        """The hash of what a study depends on. The number of trials is not part of it, so a larger one adds trials."""
        return digest(FORM.of(self, leave_out=NOT_OF_A_STUDY))
