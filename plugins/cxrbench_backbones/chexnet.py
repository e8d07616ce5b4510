"""CheXNet: DenseNet-121 that was trained on the 14 findings of ChestX-ray14, with weights that the user brings.

Rajpurkar et al., arXiv 1711.05225. The network, its head and its scaling are those of the Keras weights in circulation,
github.com/brucechou1983/CheXNet-Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cxrbench.plugin import ConfigError, Download, Unavailable
from cxrbench_backbones.checks import require_size
from cxrbench_backbones.local_file import NOT_GIVEN, local_file, local_path
from cxrbench_backbones.preprocessing import Preprocessing, as_float32, preprocess

if TYPE_CHECKING:
    from pathlib import Path

NAME = "chexnet"
FINDINGS = 14
ENDINGS = (".h5", ".hdf5", ".keras")


def weights_file(
    *, input_shape: tuple[int, int, int], weights: str, preprocessing: Preprocessing = "native"
) -> Download | None:
    """Name the user's file; raise Unavailable if there is none to name, and ConfigError if it cannot be one of weights."""
    if weights in {NOT_GIVEN, "none"}:
        raise Unavailable(
            f"{NAME} comes without weights: write {NAME}:weights=FILE, a Keras file of DenseNet121 with {_head()}"
        )
    return local_file(NAME, weights, ENDINGS)


def chexnet(*, input_shape: tuple[int, int, int], weights: str, seed: int, preprocessing: Preprocessing = "native") -> Any:
    """Build CheXNet without its head: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, 1024]``.

    `weights` is a file that Keras' `save_weights` or `save` wrote: HDF5 of Keras 2 (``.h5``, layers matched by their order),
    ``.weights.h5`` or ``.keras``. `preprocessing` is ``native`` (ImageNet's mean and deviation) or ``rescale`` (pixels / 255).

    Raises:
        ConfigError: the file holds other layers than these.
    """
    import keras

    require_size(NAME, input_shape, 32)
    network = keras.applications.DenseNet121(include_top=False, weights=None, input_shape=input_shape, pooling="avg")
    load_weights(network, local_path(weights))
    images = keras.Input(input_shape, dtype="float32")
    features = network(preprocess(images, "torch", preprocessing))
    model = keras.Model(images, as_float32(features), name=NAME)
    model.trainable = False
    return model


def load_weights(network: Any, path: Path) -> None:
    """Fill a DenseNet-121 from a file that holds it with its head; every layer must be there and of the right shape.

    Raises:
        ConfigError: the file holds other layers than these.
    """
    import keras

    head = keras.layers.Dense(FINDINGS, activation="sigmoid", name="predictions")
    try:
        keras.Model(network.input, head(network.output)).load_weights(path)
    except Exception as error:  # Keras and h5py raise as they please
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{NAME}: {path} does not hold the weights of DenseNet121 with {_head()}: {reason[:200]}") from None


def _head() -> str:
    return f"average pooling and a head of {FINDINGS} findings"
