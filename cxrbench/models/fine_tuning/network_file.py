"""A whole network as a file: the weights of its backbone and of its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.errors import CxrbenchError
from cxrbench.models.training.head_file import TENSORS
from cxrbench.models.training.weights_file import Holds, read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.models.training.head_weights import HeadWeights

    Array = NDArray[np.float32]

PREFIX = "backbone."
HOLDS = Holds(what="network", largest=8 * 2**30)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWeights:
    """The weights of a whole network.

    Attributes:
        backbone: in the order of the Keras model's `weights`.
        head: as `Head.weights` returns them.
    """

    backbone: Sequence[Array]
    head: HeadWeights

    def on(self, model: Any, name: str) -> Any:
        """Give a built backbone these weights, and return it.

        Raises:
            CxrbenchError: the plugin of this name builds another network than that of the weights.
        """
        shapes, expected = [one.shape for one in self.backbone], [tuple(one.shape) for one in model.weights]
        if shapes != expected:
            raise CxrbenchError(
                f"{name}: the plugin builds another network here: {len(expected)} arrays of weights, "
                f"of other shapes than the {len(shapes)} that were trained"
            )
        model.set_weights(list(self.backbone))
        return model


def write_network_weights(path: Path, network: NetworkWeights) -> str:
    """Write the weights of a network, and return the SHA-256 of the file; equal weights give equal files."""
    backbone = {f"{PREFIX}{number}": value for number, value in enumerate(network.backbone)}
    return write_tensors(path, {**backbone, **dict(zip(TENSORS, network.head, strict=True))})


def read_network_weights(path: Path, sha256: str, *, within: Path) -> NetworkWeights:
    """Return the weights of a network; arguments as of `read_tensors`.

    Raises:
        CxrbenchError: the file is missing, has other bytes, or holds no network.
    """
    tensors = read_tensors(path, sha256, HOLDS, within=within)
    backbone = [f"{PREFIX}{number}" for number in range(sum(name.startswith(PREFIX) for name in tensors))]
    if missing := [name for name in (*backbone, *TENSORS) if name not in tensors]:
        raise CxrbenchError(f"{path} holds no network: {missing[0]} is missing")
    return NetworkWeights(backbone=[tensors[name] for name in backbone], head=tuple(tensors[name] for name in TENSORS))
