"""Heads as files: their weights as safetensors, which hold numbers and no code."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.storage.files import atomic_write
from cxrbench.storage.json_records import require_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TENSORS = ("hidden.kernel", "hidden.bias", "output.kernel", "output.bias")
"""The weights of a head, in the order of `Head.weights`."""
LARGEST_BYTES = 2**30
"""A head of the most features that a backbone may have takes 134 million."""


def write_head(path: Path, weights: Sequence[NDArray[np.float32]]) -> str:
    """Write the weights of a head, and return the SHA-256 of the file; equal weights give equal files."""
    from safetensors.numpy import save

    content = save({name: np.ascontiguousarray(value) for name, value in zip(TENSORS, weights, strict=True)})
    with atomic_write(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def read_head(path: Path, sha256: str, *, within: Path) -> tuple[NDArray[np.float32], ...]:
    """Return the weights of a head, as `Head.weights` returns them.

    Args:
        path: the file.
        sha256: that it must have, from its entry.
        within: the folder that must contain the file after links are followed.

    Raises:
        CxrbenchError: the file is missing, has other bytes, or holds no head.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    require_regular(path, LARGEST_BYTES, within=within)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CxrbenchError(f"{path} is refused: its SHA-256 is not that of its entry. Run the recipe again with --fresh")
    try:
        tensors = load(content)
        return tuple(tensors[name] for name in TENSORS)
    except (SafetensorError, KeyError) as error:
        raise CxrbenchError(f"{path} holds no head: {error}") from None
