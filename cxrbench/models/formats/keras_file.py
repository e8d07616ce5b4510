"""A classifier as one Keras network, and back. The file loads with Keras alone, in its safe mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.errors import CxrbenchError
from cxrbench.models.features.frozen_backbone import is_model_of_keras
from cxrbench.models.formats.keras_archive import foreign_code, require_safe
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cxrbench.models.classifier import Classifier
    from cxrbench.models.training.head_weights import HeadWeights

IMAGE, RGB, BACKBONE, HIDDEN, LOGIT, SCORE = "image", "rgb", "backbone", "hidden", "logit", "score"
"""Names of the input and of the layers, by which a network is taken apart again."""
LUMA = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""Weights of red, green and blue (ITU-R BT.601), as Pillow rounds them. Products with 0..255 and their sums are exact in
float32, so an image of three equal channels gives exactly the result of its one channel."""
SCORED_AT_ONCE = 32


def problem_of(backbone: Any) -> str:
    """Return why a built backbone cannot be part of a Keras file, or an empty string."""
    import keras

    if not is_model_of_keras(backbone):
        return "its backbone is a function of the plugin, not a Keras model"
    if not isinstance(backbone, keras.Model) or not getattr(backbone, "inputs", None):
        return "its backbone is not a functional or Sequential Keras model"
    if len(backbone.inputs) != 1 or len(backbone.outputs) != 1:
        return "its backbone has several inputs or outputs"
    try:
        config = keras.saving.serialize_keras_object(backbone)
    except Exception as error:  # of a layer of the plugin, of any type
        return f"a layer of its backbone cannot be saved: {type(error).__name__}: {error}"
    found = foreign_code(config)
    return f"its backbone contains {found}, which Keras alone does not have" if found else ""


def make_network(classifier: Classifier) -> Any:
    """Return a classifier as a ``keras.Model``: float32 ``[n, size, size, 1 or 3]`` in 0..255 to scores ``[n, 1]``.

    Colours are reduced to their luma. The backbone must be one for which `problem_of` returns nothing.
    """
    import keras

    image = keras.Input((classifier.size, classifier.size, None), dtype="float32", name=IMAGE)
    weighted = keras.layers.Rescaling(LUMA, dtype="float32", name="luma")(image)  # one channel becomes three weighted ones
    grey = keras.ops.sum(weighted, axis=-1, keepdims=True)
    rgb = keras.layers.Concatenate(dtype="float32", name=RGB)([grey, grey, grey])
    backbone = classifier.backbone
    features = keras.Model(backbone.inputs[0], backbone.outputs[0], name=BACKBONE)(rgb)
    return keras.Model(image, add_head(features, classifier.head), name="cxrbench")


def add_head(features: Any, head: HeadWeights) -> Any:
    """Return the score of features, ``[n, 1]``, as layers with these weights."""
    import keras

    hidden = keras.layers.Dense(head[0].shape[1], activation="relu", dtype="float32", name=HIDDEN)
    logit = keras.layers.Dense(1, dtype="float32", name=LOGIT)
    score = keras.layers.Activation("sigmoid", dtype="float32", name=SCORE)(logit(hidden(features)))
    hidden.set_weights(list(head[:2]))
    logit.set_weights(list(head[2:]))
    return score


def take_apart(network: Any) -> tuple[Any, HeadWeights]:
    """Return the backbone and the head of a network that `make_network` made.

    Raises:
        ValueError: it has no layers of these names.
    """
    weights = [*network.get_layer(HIDDEN).get_weights(), *network.get_layer(LOGIT).get_weights()]
    return network.get_layer(BACKBONE), tuple(np.asarray(one, dtype=np.float32) for one in weights)


def network_scores(network: Any, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the scores of grey images under a network, uint8 ``[n, size, size]`` to float64 ``[n]``."""
    batch = images[..., None].astype(np.float32)
    results = network.predict(batch, batch_size=SCORED_AT_ONCE, verbose=0)
    scores = results[SCORE] if isinstance(results, dict) else results
    return np.asarray(scores[:, 0], dtype=np.float64)


def read_network(path: Path, *, within: Path) -> Any:
    """Load a network without running any code of its file.

    Raises:
        CxrbenchError: the file is too large, holds code, or is not a Keras network.
    """
    import keras

    require_safe(path, within=within)
    try:
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        take_apart(network)
    except Exception as error:  # Keras raises as it pleases
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CxrbenchError(f"{path} is refused: it is not a network of cxrbench: {as_line(reason)[:300]}") from None
    return network
