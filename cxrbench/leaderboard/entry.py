"""One row of the leaderboard: the finished result of one recipe under one protocol, as one JSON file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cxrbench.errors import CxrbenchError
from cxrbench.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

Status = Literal["complete", "failed", "unavailable"]


class DatasetFacts(BaseModel):
    """Which images a result is of, and how many of each class fell into each part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    train_normal: int
    train_pneumonia: int
    validation_normal: int
    validation_pneumonia: int
    test_normal: int
    test_pneumonia: int
    skipped: int


class Entry(BaseModel):
    """What one recipe came to.

    Attributes:
        protocol: the protocol's name.
        study: what the result depends on besides the budget; another value means another experiment.
        reason: why it is not complete, and what to do.
        metrics: of the test fold, from the stored predictions.
        validation: the same of the validation fold; `selected_by` is what the search maximised.
        threshold, params, selected_trial: the frozen selection.
        trials: finished trials by state.
        seconds: per stage; features are shared by recipes and counted in each that waited for them.
        predictions: path of the stored table, relative to the protocol's folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    protocol: str
    recipe: str
    backbone: str
    augmentation: str
    imbalance: str
    control: bool
    stage: Literal["head"] = "head"
    study: str = ""
    status: Status
    reason: str = ""
    metrics: dict[str, float] = {}
    validation: dict[str, float] = {}
    selected_by: str = ""
    selected_trial: int | None = None
    threshold: float | None = None
    params: dict[str, bool | int | float | str] = {}
    trials: dict[str, int] = {}
    seconds: dict[str, float] = {}
    versions: dict[str, str] = {}
    dataset: DatasetFacts | None = None
    predictions: str = ""
    warnings: tuple[str, ...] = ()


def write_entry(path: Path, entry: Entry) -> None:
    """Write an entry as JSON."""
    write_json(path, entry.model_dump(mode="json"))


def read_entry(path: Path) -> Entry:
    """Read an entry; raise CxrbenchError naming the file and what is wrong with it."""
    try:
        return Entry.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise CxrbenchError(f"{path} is no entry of this version: {where}: {problem['msg']}") from None
