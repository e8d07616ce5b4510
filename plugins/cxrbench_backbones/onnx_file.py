"""Any network in an ONNX file, as a backbone that ONNX Runtime computes."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import numpy as np

from cxrbench.plugin import ConfigError, Download, ImageFunction, Unavailable, Value
from cxrbench_backbones.local_file import NOT_GIVEN, local_file, local_path
from cxrbench_backbones.onnx_network import Network, load_network

if TYPE_CHECKING:
    from cxrbench_backbones.images import Floats

NAME = "onnx"
INSTALL = "pip install 'cxrbench[onnx]'"
Layout = Literal["of-file", "nchw", "nhwc"]
Pool = Literal["none", "cls", "mean"]
CHANNEL_AXES: tuple[tuple[Layout, int], ...] = (("nchw", 1), ("nhwc", 3))


def model_file(
    *,
    input_shape: tuple[int, int, int],
    weights: str,
    path: str = "",
    scale: float | str = 1.0,
    mean: float | str = 0.0,
    std: float | str = 1.0,
    **others: Value,
) -> Download:
    """Name the user's file; raise Unavailable if it cannot be used here, and ConfigError if it or a number is invalid."""
    if weights != NOT_GIVEN:
        raise ConfigError(f"{NAME} has the weights of its file: leave weights={weights} out")
    if not path:
        raise Unavailable(f"{NAME} needs a file: write {NAME}:path=MODEL.onnx")
    _scaling(scale, mean, std)
    file = local_file(NAME, path, (".onnx",))
    if find_spec("onnxruntime") is None:
        raise Unavailable(f"{NAME} needs ONNX Runtime, which is not installed: {INSTALL}")
    return file


def onnx_file(
    *,
    input_shape: tuple[int, int, int],
    weights: str,
    path: str,
    scale: float | str = 1.0,
    mean: float | str = 0.0,
    std: float | str = 1.0,
    channels: Literal[0, 1, 3] = 0,
    layout: Layout = "of-file",
    output: str = "",
    pool: Pool = "none",
) -> ImageFunction:
    """Load a network as a backbone: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``.

    A file holds no code: ONNX Runtime computes with its own operators, on the CPU, in one thread.

    Args:
        input_shape: of the images; a network of another fixed size is refused.
        weights: as in `model_file`.
        path: of the file, which has all weights inside.
        scale: the network gets ``(pixels * scale - mean) / std``. Any of these numbers can be a fraction, such as ``1/255``.
        mean: one number, or one for each channel with spaces between them.
        std: likewise.
        channels: that the network takes; 0 for what the file says, or else 3. Images are grey, so 1 is any of three equal ones.
        layout: of the network's input; ``of-file`` for what the sizes in the file say.
        output: name of the output that features are made of; the first if empty.
        pool: how to make one vector of tokens ``[B, N, D]`` or maps: the first token (``cls``), or the mean.

    Raises:
        ConfigError: the file is no such network, or not for images of this shape.
    """
    network = load_network(f"{NAME}: {path}", local_path(path).read_bytes(), output)
    is_nchw = _layout(network, layout) == "nchw"
    width = _channels(network, is_nchw, channels)
    _require_size(network, is_nchw, input_shape)
    factor, offset, divisor = _scaling(scale, mean, std)
    if width == 1 and max(len(offset), len(divisor)) > 1:
        raise ConfigError(f"{network.name} takes 1 channel: give one number as mean and as std, not three")

    def embed(images: Floats) -> Floats:
        pixels = (np.asarray(images, dtype=np.float32)[..., :width] * factor - offset) / divisor
        return _pooled(network, network.run(pixels.transpose(0, 3, 1, 2) if is_nchw else pixels), pool, is_nchw)

    embed(np.zeros((1, *input_shape), dtype=np.float32))  # what does not fit is reported before any image is read
    return embed


def _scaling(scale: float | str, mean: float | str, std: float | str) -> tuple[Floats, Floats, Floats]:
    """Return the numbers of the preprocessing, each as an array of one or three."""
    divisor = _numbers("std", std, (1, 3))
    if not divisor.all():
        raise ConfigError(f"{NAME}: std={std} must not be 0")
    return _numbers("scale", scale, (1,)), _numbers("mean", mean, (1, 3)), divisor


def _numbers(option: str, value: float | str, counts: tuple[int, ...]) -> Floats:
    """Read numbers with spaces or commas between them; each may be a fraction."""
    words = [word.partition("/") for word in str(value).replace(",", " ").split()]
    try:
        numbers = [float(above) / float(below or 1) for above, _, below in words]
    except (ValueError, ZeroDivisionError):
        numbers = []
    if len(numbers) in counts and all(map(math.isfinite, numbers)):
        return np.asarray(numbers, dtype=np.float32)
    three = f", or three with spaces between them: {option}=0.485 0.456 0.406" if 3 in counts else " such as 1/255"
    raise ConfigError(f"{NAME}: {option}={value} must be one number{three}")


def _layout(network: Network, layout: Layout) -> Layout:
    """Return the layout that the user names, or the one whose channels have a size that images can have."""
    if layout != "of-file":
        return layout
    fitting: list[Layout] = [name for name, axis in CHANNEL_AXES if network.shape[axis] in {1, 3}]
    if len(fitting) != 1:
        raise ConfigError(
            f"{network.name} takes {network.shape_text}, which does not say where the channels are: "
            "add layout=nchw (most networks of PyTorch) or layout=nhwc (of TensorFlow)"
        )
    return fitting[0]


def _channels(network: Network, is_nchw: bool, chosen: int) -> int:
    """Return the number of channels of the input; refuse a file that says another one."""
    found = network.shape[1 if is_nchw else 3]
    if not isinstance(found, int):
        return chosen or 3
    if found not in {1, 3}:
        raise ConfigError(f"{network.name} takes {network.shape_text}: {found} channels; a backbone takes images of 1 or 3")
    if chosen not in {0, found}:
        raise ConfigError(f"{network.name} takes images of {found} channels: leave channels={chosen} out")
    return found


def _require_size(network: Network, is_nchw: bool, input_shape: tuple[int, int, int]) -> None:
    """Refuse a network whose images have another size."""
    height, width = network.shape[2:] if is_nchw else network.shape[1:3]
    if any(isinstance(side, int) and side != given for side, given in zip((height, width), input_shape[:2], strict=True)):
        remedy = f"use --image-size {height}" if height == width else "export it with a flexible input"
        raise ConfigError(f"{network.name} takes images of {height}x{width}, not {input_shape[0]}x{input_shape[1]}: {remedy}")


def _pooled(network: Network, found: Floats, pool: Pool, is_nchw: bool) -> Floats:
    """Return one vector for each image; maps are expected in the layout of the input."""
    if found.ndim == 2:
        return found
    if found.ndim == 3 and pool == "cls":
        return found[:, 0]
    if pool == "mean" and found.ndim in {3, 4}:
        return np.asarray(found.mean(axis=1 if found.ndim == 3 else (2, 3) if is_nchw else (1, 2)))
    how = {3: "pool=cls (the first token) or pool=mean", 4: "pool=mean"}.get(found.ndim)
    choices = [f"add {how}"] if how else []
    choices += [f"name another output with output={name}" for name in network.vectors if name != network.output]
    raise ConfigError(
        f"{network.name} puts out {list(found.shape)} for {len(found)} images as {network.output!r}; features are "
        f"[images, numbers]: {', or '.join(choices) or 'export the network without its last layers'}"
    )
