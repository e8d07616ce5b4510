"""A whole network as a file: the weights of its backbone and of its head as safetensors, which hold numbers and no code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.models.training.head_file import TENSORS
from cxrbench.storage.files import atomic_write
from cxrbench.storage.json_records import require_regular

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.training.head_weights import HeadWeights

    Array = NDArray[np.float32]

PREFIX = "backbone."
LARGEST_BYTES = 8 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWeights:
    """The weights of a whole network.

    Attributes:
        backbone: in the order of the Keras model's `weights`.
        head: as `Head.weights` returns them.
    """

    backbone: Sequence[Array]
    head: HeadWeights

    def built(self, backbone: FrozenBackbone) -> Any:
        """Return the Keras model of a backbone with these weights.

        Raises:
            CxrbenchError: the plugin builds another network than that of the weights.
        """
        model = backbone.build_anew()
        shapes, expected = [one.shape for one in self.backbone], [tuple(one.shape) for one in model.weights]
        if shapes != expected:
            raise CxrbenchError(
                f"{backbone.part.component}: the plugin builds another network here: {len(expected)} arrays of weights, "
                f"of other shapes than the {len(shapes)} that were trained"
            )
        model.set_weights(list(self.backbone))
        return model


def write_network_weights(path: Path, network: NetworkWeights) -> str:
    """Write the weights of a network, and return the SHA-256 of the file; equal weights give equal files."""
    from safetensors.numpy import save

    arrays = {f"{PREFIX}{number}": np.ascontiguousarray(value) for number, value in enumerate(network.backbone)}
    arrays |= {name: np.ascontiguousarray(value) for name, value in zip(TENSORS, network.head, strict=True)}
    content = save(arrays)
    with atomic_write(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def read_network_weights(path: Path, sha256: str, *, within: Path) -> NetworkWeights:
    """Return the weights of a network.

    Args:
        path: the file.
        sha256: that it must have, from its entry.
        within: the folder that must contain the file after links are followed.

    Raises:
        CxrbenchError: the file is missing, has other bytes, or holds no network.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    require_regular(path, LARGEST_BYTES, within=within)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CxrbenchError(f"{path} is refused: its SHA-256 is not that of its entry. Run the recipe again with --fresh")
    try:
        tensors = load(content)
        count = sum(name.startswith(PREFIX) for name in tensors)
        backbone = [tensors[f"{PREFIX}{number}"] for number in range(count)]
        return NetworkWeights(backbone=backbone, head=tuple(tensors[name] for name in TENSORS))
    except (SafetensorError, KeyError) as error:
        raise CxrbenchError(f"{path} holds no network: {error}") from None
