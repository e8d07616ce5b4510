"""A model in use: backbone, preprocessing, head and threshold as one object. Images in, scores out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.data.decoding.decode import examine
from cxrbench.models.features.frozen_backbone import as_features, checked_features
from cxrbench.models.training.head_weights import logits_of

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

    from cxrbench.data.batches import ImageBatches
    from cxrbench.data.decoding.decode import Examined, ImageSource
    from cxrbench.models.training.head_weights import HeadWeights


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classifier:
    """A backbone, a head and a threshold. Its scores are those that the run stored, up to rounding.

    Attributes:
        name: of the backbone, for messages.
        backbone: the Keras model or the function that the plugin built.
        compiled: the same, as a function of grey images, float32 ``[n, size, size, 1]`` to float32 ``[n, D]``.
        head: the weights of one head, or of the mean of several as `mean_head` joins them.
        threshold: a score at or above it is a positive call.
        size, resize: of the images, as the protocol has them.
    """

    name: str
    backbone: Any
    compiled: ImageBatches
    head: HeadWeights
    threshold: float
    size: int
    resize: Literal["stretch", "pad"]

    def read(self, source: ImageSource) -> Examined:
        """Decode and resize an image as the run did, and return it with the properties of its file.

        Raises:
            DataError: it cannot be read; the message is the reason.
        """
        return examine(source, size=self.size, resize=self.resize)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of grey images, uint8 ``[n, size, size]`` to float32 ``[n, D]``.

        Raises:
            PluginError: the backbone breaks its contract.
            NotFinite: it returned numbers that are not finite.
        """
        return checked_features(self.name, self.compiled, images[..., None].astype(np.float32))

    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one logit per grey image, uint8 ``[n, size, size]`` to float64 ``[n]``."""
        return logits_of(self.head, self.features(images))

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return one score in 0..1 per grey image, uint8 ``[n, size, size]`` to float64 ``[n]``."""
        from scipy.special import expit

        return np.asarray(expit(self.logits(images)))


def make_classifier(
    name: str, backbone: Any, head: HeadWeights, threshold: float, *, size: int, resize: Literal["stretch", "pad"]
) -> Classifier:
    """Return a classifier of a built backbone, compiled for any number of images at once."""
    compiled = as_features(backbone, (None, size, size, 1))
    return Classifier(name=name, backbone=backbone, compiled=compiled, head=head, threshold=threshold, size=size, resize=resize)
