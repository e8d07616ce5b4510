"""The Keras Applications as backbones: preprocessing, network and global average pooling in one model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cxrbench.plugin import ConfigError, Download
from cxrbench_backbones.checks import require_size
from cxrbench_backbones.keras_cache import PRETRAINED, folder_of
from cxrbench_backbones.preprocessing import Preprocessing, as_float32, preprocess
from cxrbench_backbones.table import find
from cxrbench_backbones.untrained import reinitialise, standardised

if TYPE_CHECKING:
    from cxrbench_backbones.table import Application

ALPHAS = {0.25: "2_5", 0.5: "5_0", 0.75: "7_5", 1.0: "1_0"}
"""The width multipliers that MobileNet has ImageNet weights for, and how the names of the files write them."""


def application(
    *, input_shape: tuple[int, int, int], weights: str, seed: int, network: str, preprocessing: Preprocessing = "native"
) -> Any:
    """Build a row of the table as a `keras.Model`: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``.

    `preprocessing` is ``native`` (what the network was trained on) or ``rescale``: pixels / 255 fed into the Keras application
    as it comes, any scaling of its own included, which is what somebody does who divides by 255 for every backbone alike.

    `weights` is ``imagenet`` (the file that `weights_file` names) or ``none``: drawn from the seed. An untrained network has
    features of any magnitude from 1e-4 to 1e+5, so they are standardised within each image.
    """
    return _build(find(network), input_shape, weights, seed, preprocessing)


def mobilenet(
    *,
    input_shape: tuple[int, int, int],
    weights: str,
    seed: int,
    network: str,
    preprocessing: Preprocessing = "native",
    alpha: float = 1.0,
) -> Any:
    """Build MobileNet `alpha` (0.25, 0.5, 0.75 or 1.0) times as wide as published; the rest as in `application`."""
    _require_alpha(alpha)
    return _build(find(network), input_shape, weights, seed, preprocessing, alpha=alpha)


def weights_file(
    *,
    input_shape: tuple[int, int, int],
    weights: str,
    network: str,
    preprocessing: Preprocessing = "native",
    alpha: float = 1.0,
) -> Download | None:
    """Name the file that Keras itself looks for in its cache, without importing Keras; None for untrained weights."""
    row = find(network)
    _require_alpha(alpha)
    if not _pretrained(row, weights):
        return None
    name = _file_name(row, input_shape, alpha)
    file_name = row.cached_as or name
    folder = folder_of(file_name)
    origin = "bundled with cxrbench" if folder == PRETRAINED else "Keras' cache"
    return Download(url=row.folder + name, file_name=file_name, digest=row.digest, folder=folder, origin=origin)


def _build(
    row: Application,
    input_shape: tuple[int, int, int],
    weights: str,
    seed: int,
    preprocessing: Preprocessing,
    **widths: float,
) -> Any:
    """Put preprocessing, network and pooling together."""
    import keras

    require_size(row.name, input_shape, row.smallest)
    pretrained = _pretrained(row, weights)
    network = _network(row, input_shape, pretrained, widths)
    if not pretrained:
        reinitialise(network, seed)
    images = keras.Input(input_shape, dtype="float32")
    features = network(preprocess(images, row.pixels, preprocessing))
    model = keras.Model(images, as_float32(features) if pretrained else standardised(features), name=row.name)
    model.trainable = False
    return model


def _file_name(row: Application, input_shape: tuple[int, int, int], alpha: float) -> str:
    """Return the name of the weights file for images of this shape."""
    height, width, _ = input_shape
    rows = height if height == width and height in row.sizes else 224
    return row.file.format(rows=rows, alpha=ALPHAS[alpha])


def _network(row: Application, input_shape: tuple[int, int, int], pretrained: bool, widths: dict[str, float]) -> Any:
    """Build the network of `keras.applications` without its top."""
    import keras

    name = _file_name(row, input_shape, widths.get("alpha", 1.0))
    bundled = folder_of(row.cached_as or name) == PRETRAINED
    weights = str(PRETRAINED / name) if bundled else "imagenet"
    builder = getattr(keras.applications, row.builder)
    with warnings.catch_warnings():
        # At other sizes than its own, Keras warns that it takes the weights of 224. That is what is wanted.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        return builder(
            include_top=False, weights=weights if pretrained else None, input_shape=input_shape, pooling="avg", **widths
        )


def _pretrained(row: Application, weights: str) -> bool:
    """Tell ``imagenet`` from ``none``."""
    if weights not in {"imagenet", "none"}:
        raise ConfigError(f"backbone {row.name} has no weights {weights!r}: write weights=imagenet or weights=none")
    return weights == "imagenet"


def _require_alpha(alpha: float) -> None:
    """Refuse a width that Keras has no weights for."""
    if alpha not in ALPHAS:
        raise ConfigError(f"mobilenet has no width alpha={alpha}: write one of {', '.join(map(str, ALPHAS))}")
