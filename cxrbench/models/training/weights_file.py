"""Trained weights as files: safetensors, which hold numbers and no code, checked against the digest in an entry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import atomic_write
from cxrbench.storage.json_records import require_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What a file must hold.

    Attributes:
        what: in a word, for messages.
        largest: bytes that the file may have.
    """

    what: str
    largest: int


def write_tensors(path: Path, tensors: Mapping[str, Array]) -> str:
    """Write arrays by name, and return the SHA-256 of the file; equal arrays give equal files."""
    from safetensors.numpy import save

    content = save({name: np.asarray(value, order="C") for name, value in tensors.items()})  # keeps arrays without an axis
    with atomic_write(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, sha256: str, holds: Holds, *, within: Path) -> dict[str, Array]:
    """Return the arrays of a file by name.

    Args:
        path: the file.
        sha256: that it must have, from its entry.
        holds: what it must hold.
        within: the folder that must contain the file after links are followed.

    Raises:
        CxrbenchError: the file is missing, has other bytes, or is no file of arrays.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    require_regular(path, holds.largest, within=within)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CxrbenchError(f"{path} is refused: its SHA-256 is not that of its entry. Run the recipe again with --fresh")
    try:
        return dict(load(content))
    except SafetensorError as error:
        raise CxrbenchError(f"{path} holds no {holds.what}: {error}") from None
