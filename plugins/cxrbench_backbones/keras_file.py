"""Any model that Keras saved whole, as a backbone."""

from __future__ import annotations

from typing import Any

from cxrbench.plugin import ConfigError, Download, Unavailable
from cxrbench_backbones.keras_archive import FROM_HDF5, KERAS_2, is_of_keras_2, problem_of
from cxrbench_backbones.local_file import NOT_GIVEN, local_file, local_path
from cxrbench_backbones.preprocessing import Scaling, as_float32, rescaled

NAME = "keras-file"


def model_file(
    *, input_shape: tuple[int, int, int], weights: str, path: str = "", layer: str = "", preprocessing: Scaling = "none"
) -> Download | None:
    """Name the user's file; raise Unavailable if there is none to name, and ConfigError if it cannot be a Keras model."""
    if weights != NOT_GIVEN:
        raise ConfigError(f"{NAME} has the weights of its file: leave weights={weights} out")
    if not path:
        raise Unavailable(f"{NAME} needs a file: write {NAME}:path=MODEL.keras")
    if path.endswith((".h5", ".hdf5")):
        raise ConfigError(
            f"{NAME}: {path} is HDF5, of which a model can be loaded only with code that it may bring: if you trust it, save "
            f"it as .keras with {FROM_HDF5}"
        )
    return local_file(NAME, path, (".keras",))


def keras_file(
    *,
    input_shape: tuple[int, int, int],
    weights: str,
    seed: int,
    path: str,
    layer: str = "",
    preprocessing: Scaling = "none",
) -> Any:
    """Load a model as a backbone: float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``.

    Loaded in Keras' safe mode, so that no code in the file runs. The features are the output of the layer named `layer`, else
    the model's own; maps ``[B, h, w, D]`` are averaged over their area. The model scales pixels itself, unless `preprocessing`
    is ``rescale``: then it gets 0..1. A model of one channel gets the first of three equal ones.

    Raises:
        ConfigError: the file is no such model, or not for images of this shape.
    """
    import keras

    model = _load(path)
    _require_input(model, path, input_shape)
    headless = keras.Model(model.inputs, _output(model, path, layer))
    images = keras.Input(input_shape, dtype="float32")
    pixels = images[..., : model.inputs[0].shape[-1]]
    features = as_float32(_pooled(headless(rescaled(pixels, preprocessing)), path))
    backbone = keras.Model(images, features, name="keras_file")
    backbone.trainable = False
    return backbone


def _load(path: str) -> Any:
    """Load a model without its optimizer and without running any code of its own."""
    import keras

    if problem := problem_of(local_path(path)):
        raise ConfigError(f"{NAME}: {path} cannot be loaded: {problem}")
    try:
        return keras.saving.load_model(local_path(path), compile=False, safe_mode=True)
    except Exception as error:  # Keras raises as it pleases
        if is_of_keras_2(local_path(path)):
            raise ConfigError(f"{NAME}: {path} cannot be loaded: {KERAS_2}") from None
        innermost = str(error).rpartition("Exception encountered: ")[2].partition("Full object config")[0]
        reason = (innermost.splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"{NAME}: {path} cannot be loaded: {reason[:300]}") from None


def _require_input(model: Any, path: str, input_shape: tuple[int, int, int]) -> None:
    """Refuse a model that does not take one image of this size, grey or in three channels."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        raise ConfigError(f"{NAME}: {path} has {len(inputs)} inputs; a backbone has one, the images")
    shape = tuple(inputs[0].shape)
    if len(shape) != 4 or shape[-1] not in {1, 3}:
        raise ConfigError(f"{NAME}: {path} takes {shape}; a backbone takes images of 1 or 3 channels, the channels last")
    if any(side not in {None, given} for side, given in zip(shape[1:3], input_shape[:2], strict=True)):
        height, width = shape[1:3]
        remedy = f"use --image-size {height}" if height == width else "save it with a flexible input"
        raise ConfigError(f"{NAME}: {path} takes images of {height}x{width}, not {input_shape[0]}x{input_shape[1]}: {remedy}")


def _output(model: Any, path: str, layer: str) -> Any:
    """Return the tensor that features are made of."""
    if not layer:
        if len(model.outputs) != 1:
            raise ConfigError(f"{NAME}: {path} has {len(model.outputs)} outputs: name the layer of one with layer=NAME")
        return model.outputs[0]
    names = [one.name for one in model.layers]
    if layer not in names:
        raise ConfigError(f"{NAME}: {path} has no layer {layer!r}; its last ones are {', '.join(names[-6:])}")
    return model.get_layer(layer).output


def _pooled(features: Any, path: str) -> Any:
    """Average maps over their area; refuse what is neither a vector nor maps."""
    import keras

    if len(features.shape) == 4:
        return keras.layers.GlobalAveragePooling2D(data_format="channels_last")(features)
    if len(features.shape) != 2:
        raise ConfigError(
            f"{NAME}: {path} puts out {tuple(features.shape)}; features are [images, numbers] or maps [images, h, w, numbers]: "
            "name such a layer with layer=NAME"
        )
    return features
