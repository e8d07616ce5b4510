"""What a training has reached after an epoch, as a file: a killed run continues with the next epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.execution.devices import DeviceKind

    Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A training after some epochs.

    Attributes:
        losses: validation cross-entropy of the start and then after each epoch, of the averaged weights; infinite for a start
            that is no candidate.
        best: the epoch with the lowest one; 0 for the start.
        best_weights: the averaged weights of this epoch.
        best_logits: float64 ``[n]``, of the validation images.
        state: of the steps, as `NetworkSteps.state` returns it; empty once the training has ended.
        followed: after each epoch, and of the start if it is a candidate: loss and accuracy of the training images that are
            followed, and accuracy of the validation images.
        devices: what computed the epochs, each kind once.
        seconds: that the epochs took, also in processes that were killed since.
    """

    losses: tuple[float, ...]
    best: int
    best_weights: Sequence[Array]
    best_logits: NDArray[np.float64]
    state: Sequence[Array]
    followed: tuple[tuple[float, float, float], ...] = ()
    devices: tuple[DeviceKind, ...] = ()
    seconds: float = 0.0


def write_progress(path: Path, progress: Progress, identity: str) -> None:
    """Write the file, in place of that of the epoch before.

    Args:
        path: of the file.
        progress: what it holds.
        identity: hash of all that the training depends on.
    """
    from safetensors.numpy import save

    arrays = {f"state.{number}": np.asarray(value, order="C") for number, value in enumerate(progress.state)}
    arrays |= {f"best.{number}": np.asarray(value, order="C") for number, value in enumerate(progress.best_weights)}
    facts = {"identity": identity, "losses": json.dumps(progress.losses), "best": str(progress.best)}
    facts |= {"followed": json.dumps(progress.followed), "devices": json.dumps(progress.devices)}
    facts["seconds"] = str(progress.seconds)
    with atomic_write(path) as file:
        file.write(save({**arrays, "logits": progress.best_logits}, metadata=facts))


def read_progress(path: Path, identity: str) -> Progress | None:
    """Return what the file holds; None if there is none, it is damaged, or it is of another training."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            facts, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no mapping
        if facts["identity"] != identity:
            return None
        return Progress(
            losses=tuple(json.loads(facts["losses"])),
            best=int(facts["best"]),
            best_weights=_numbered(arrays, "best"),
            best_logits=arrays["logits"],
            state=_numbered(arrays, "state"),
            followed=tuple(tuple(one) for one in json.loads(facts["followed"])),
            devices=tuple(json.loads(facts.get("devices", '["cpu"]'))),  # earlier versions computed on CPUs
            seconds=float(facts.get("seconds", 0.0)),
        )
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def _numbered(arrays: dict[str, Array], prefix: str) -> list[Array]:
    count = sum(name.startswith(f"{prefix}.") for name in arrays)
    return [arrays[f"{prefix}.{number}"] for number in range(count)]
