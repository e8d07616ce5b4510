"""Heads as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError
from cxrbench.models.training.weights_file import Holds, read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

TENSORS = ("hidden.kernel", "hidden.bias", "output.kernel", "output.bias")
"""The weights of a head, in the order of `Head.weights`."""
HOLDS = Holds(what="head", largest=2**30)
"""A head of the most features that a backbone may have takes 134 million."""


def write_head(path: Path, weights: Sequence[NDArray[np.float32]]) -> str:
    """Write the weights of a head, and return the SHA-256 of the file; equal weights give equal files."""
    return write_tensors(path, dict(zip(TENSORS, weights, strict=True)))


def read_head(path: Path, sha256: str, *, within: Path) -> tuple[NDArray[np.float32], ...]:
    """Return the weights of a head, as `Head.weights` returns them; arguments as of `read_tensors`.

    Raises:
        CxrbenchError: the file is missing, has other bytes, or holds no head.
    """
    tensors = read_tensors(path, sha256, HOLDS, within=within)
    if missing := [name for name in TENSORS if name not in tensors]:
        raise CxrbenchError(f"{path} holds no head: {missing[0]} is missing")
    return tuple(tensors[name] for name in TENSORS)
