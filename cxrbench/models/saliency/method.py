"""The three ways to explain a classifier, under one interface: what is seen of an image, then a map for any head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cxrbench.errors import ConfigError
from cxrbench.models.features.frozen_backbone import CHANNELS, is_model_of_keras
from cxrbench.models.saliency.cut import cut_backbone
from cxrbench.models.saliency.exact import exact_maps
from cxrbench.models.saliency.grad_cam import grad_cam
from cxrbench.models.saliency.occlusion import GRID, covered_features, drops

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.models.classifier import Classifier
    from cxrbench.models.saliency.cut import Cut
    from cxrbench.models.training.head_weights import HeadWeights

MethodName = Literal["exact", "grad-cam", "occlusion"]
ROUNDING = 1e-4
"""Largest difference between features and the mean of the maps, relative to the largest feature, that rounding explains."""
EXACT = "Exact: a map and a constant add up to the logit. This is exact about the network, not about the place."
GRAD_CAM = "Grad-CAM, with its ReLU: shows only what speaks for the positive class, so a map does not add up to the logit."
OCCLUSION = (
    f"Occlusion: how far the logit falls when one of {GRID} x {GRID} patches is covered with the mean grey of the image. "
    "Covered images are unlike those that the model learnt from, and the values do not add up to the logit."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Method:
    """How the maps of a classifier are made. What depends on the backbone is computed once, and serves every head.

    Attributes:
        network: the Keras model that `run` runs; None if the backbone is another callable.
        run: grey images, float32 ``[n, s, s, 1]``, to feature maps or features.
        observe: (a function like `run`, images uint8 ``[n, s, s]``) to what the maps are made of, one row per image.
        explain: (head, what was observed) to maps, float64 ``[n, h, w]`` in logits.
    """

    name: MethodName
    network: Any
    run: ImageBatches
    observe: Callable[[ImageBatches, NDArray[np.uint8]], NDArray[np.float32]]
    explain: Callable[[HeadWeights, NDArray[np.float32]], NDArray[np.float64]]

    def observed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the maps of these images are made of."""
        return self.observe(self.run, images)


def make_method(classifier: Classifier, name: MethodName, image: NDArray[np.uint8]) -> Method:
    """Return a method for a classifier.

    Args:
        classifier: to explain.
        name: of the method.
        image: one image, uint8 ``[s, s]``, to check with that the method describes this backbone.

    Raises:
        ConfigError: the backbone does not allow the method; the message is the reason.
    """
    if name == "occlusion":
        return _occlusion(classifier)
    cut = cut_backbone(classifier.backbone)
    run = _compiled_front(classifier, cut)
    if name == "grad-cam":
        return Method(name=name, network=cut.front, run=run, observe=_seen, explain=partial(_rectified, cut))
    _require_mean(classifier, run, image)
    return Method(name=name, network=cut.front, run=run, observe=_seen, explain=exact_maps)


def best_method(classifier: Classifier, image: NDArray[np.uint8]) -> tuple[Method, str]:
    """Return the exact method, or occlusion and the reason why the exact one does not describe this backbone."""
    try:
        return make_method(classifier, "exact", image), ""
    except ConfigError as error:
        return make_method(classifier, "occlusion", image), str(error)


def _occlusion(classifier: Classifier) -> Method:
    backbone = classifier.backbone
    return Method(
        name="occlusion",
        network=backbone if is_model_of_keras(backbone) else None,
        run=classifier.compiled,
        observe=covered_features,
        explain=drops,
    )


def _compiled_front(classifier: Classifier, cut: Cut) -> ImageBatches:
    from cxrbench.models.backend import compile_features

    return compile_features(cut.front, (None, classifier.size, classifier.size, 1), CHANNELS)


def _seen(run: ImageBatches, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return run(images[..., None].astype(np.float32))


def _rectified(cut: Cut, head: HeadWeights, maps: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.maximum(grad_cam(cut.tail, head, maps), 0)


def _require_mean(classifier: Classifier, run: ImageBatches, image: NDArray[np.uint8]) -> None:
    """Raise ConfigError unless the features of an image are the mean of its maps: names of layers do not prove it."""
    means, features = _seen(run, image[None]).mean(axis=(1, 2)), classifier.features(image[None])
    if means.shape != features.shape:
        reason = f"it has {features.shape[1]:,} features, but {means.shape[1]:,} feature maps"
    elif (difference := _relative_difference(means, features)) > ROUNDING:
        reason = f"they differ by {difference:.1g} of the largest feature"
    else:
        return
    raise ConfigError(f"the features of {classifier.name} are not the mean of its last feature maps: {reason}")


def _relative_difference(means: NDArray[np.float32], features: NDArray[np.float32]) -> float:
    return float(np.abs(means - features).max() / max(np.abs(features).max(), np.finfo(np.float32).tiny))


def describe(name: MethodName, shape: tuple[int, int]) -> str:
    """Return what the maps of a method are, in plain English, for maps of this many rows and columns."""
    cells = f"Each of the {shape[0]} x {shape[1]} cells sees far beyond its own place, so a map does not outline a finding."
    return {"exact": f"{EXACT} {cells}", "grad-cam": f"{GRAD_CAM} {cells}", "occlusion": OCCLUSION}[name]
