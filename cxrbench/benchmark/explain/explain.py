"""Explain the scores of a model on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.errors import ConfigError
from cxrbench.models.saliency.exact import constants, near_zero
from cxrbench.models.saliency.method import best_method, describe, make_method
from cxrbench.models.saliency.trust import MOST_IMAGES, frame_share, measure_trust
from cxrbench.models.training.head_weights import split_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cxrbench.benchmark.explain.unlearnt import GreyImage, Group
    from cxrbench.benchmark.model.model import Model
    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.image_record import Part
    from cxrbench.models.saliency.method import Method, MethodName
    from cxrbench.models.saliency.trust import Trust

BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedImage:
    """The map of one image, and what is known beside it.

    Attributes:
        fold: of the heads, which also decides the threshold; None for the heads of several folds.
        part: of the dataset that these heads learnt from; None for a new image.
        is_learnt: whether the heads or their threshold depend on the image.
        values: the map, float64 ``[h, w]`` in logits.
        constant: the logit less the sum of the map; None unless the map is exact.
        near_zero: share of the hidden units that a small change switches, so that the map jumps; None without feature maps.
        outer_frame: share of the absolute map in the outer frame.
    """

    image: GreyImage
    fold: int | None
    part: Part | None
    is_learnt: bool
    logit: float
    score: float
    threshold: float
    values: NDArray[np.float64]
    constant: float | None
    near_zero: float | None
    outer_frame: float

    @property
    def is_positive(self) -> bool:
        """Whether the call is positive."""
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """The maps of a set of images.

    Attributes:
        method: how they were made.
        meaning: what they show, and what they do not show.
        reason: why no exact map was made, if the choice was free.
        images: in the order in which they were read.
        trust: measured on the first images of the largest group.
    """

    method: MethodName
    meaning: str
    reason: str
    images: tuple[ExplainedImage, ...]
    trust: Trust


def explain(groups: Sequence[Group], wanted: MethodName | None, progress: Progress) -> Explanation:
    """Make the maps of all images, each with the model of its group.

    Args:
        groups: at least one, with at least one image each.
        wanted: the method; None for the exact one where the backbone allows it, else occlusion.
        progress: is told of each image.

    Raises:
        ConfigError: the backbone does not allow the wanted method.
    """
    methods = _methods(groups, wanted)
    progress.begin("maps", sum(len(group.images) for group in groups))
    images = [image for group in groups for image in _explained(group, methods[_backbone(group)][0], progress)]
    largest = max(groups, key=lambda group: len(group.images))
    method, reason = methods[_backbone(largest)]
    progress.say("measuring how far the maps can be trusted")
    return Explanation(
        method=method.name,
        meaning=describe(method.name, images[0].values.shape),
        reason=reason,
        images=tuple(sorted(images, key=lambda image: image.image.number)),
        trust=measure_trust(method, single_heads(largest.model), _stacked(largest.images[:MOST_IMAGES])),
    )


def single_heads(model: Model) -> tuple[tuple[NDArray[np.float32], ...], ...]:
    """Return the heads that a model is the mean of."""
    return split_head(model.classifier.head, len(model.record.heads.models))


def _methods(groups: Sequence[Group], wanted: MethodName | None) -> dict[int, tuple[Method, str]]:
    """Return method and reason for each backbone, which takes seconds to compile: the heads of all folds share one."""
    return {backbone: _method(group, wanted) for backbone, group in {_backbone(group): group for group in groups}.items()}


def _backbone(group: Group) -> int:
    return id(group.model.classifier.backbone)


def _method(group: Group, wanted: MethodName | None) -> tuple[Method, str]:
    classifier, image = group.model.classifier, group.images[0].pixels
    if wanted is None:
        return best_method(classifier, image)
    try:
        return make_method(classifier, wanted, image), ""
    except ConfigError as error:
        raise ConfigError(f"--method {wanted}: {error}. Use --method occlusion") from None


def _explained(group: Group, method: Method, progress: Progress) -> list[ExplainedImage]:
    found = list[ExplainedImage]()
    for start in range(0, len(group.images), BATCH):
        batch = group.images[start : start + BATCH]
        found += _explained_batch(group.model, method, batch)
        progress.advance("maps", len(batch))
    return found


def _explained_batch(model: Model, method: Method, images: Sequence[GreyImage]) -> list[ExplainedImage]:
    from scipy.special import expit

    classifier, folds = model.classifier, model.record.heads.folds
    pixels, head = _stacked(images), classifier.head
    observed = method.observed(pixels)
    logits, maps = classifier.logits(pixels), method.explain(head, observed)
    scores = expit(logits)
    rest = constants(head, observed) if method.name == "exact" else None
    unsure = near_zero(head, observed) if method.name == "exact" else None
    return [
        ExplainedImage(
            image=image,
            fold=folds[0] if len(folds) == 1 else None,
            part=image.part(model),
            is_learnt=image.is_learnt_by(model),
            logit=float(logits[row]),
            score=float(scores[row]),
            threshold=classifier.threshold,
            values=maps[row],
            constant=None if rest is None else float(rest[row]),
            near_zero=None if unsure is None else float(unsure[row]),
            outer_frame=frame_share(maps[row]),
        )
        for row, image in enumerate(images)
    ]


def _stacked(images: Sequence[GreyImage]) -> NDArray[np.uint8]:
    return np.stack([image.pixels for image in images])
