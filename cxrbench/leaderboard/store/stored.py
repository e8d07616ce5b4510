"""What all records on disk have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cxrbench.config.fields import Name

Metrics = dict[Name, float]
Intervals = dict[Name, tuple[float, float]]


class Stored(BaseModel):
    """A record that is written to disk and checked when it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
