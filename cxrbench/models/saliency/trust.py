"""Measures of how far a set of maps can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, cycle
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.models.saliency.randomised import random_heads, with_shuffled_top
from cxrbench.models.training.head_weights import mean_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cxrbench.models.saliency.method import Method
    from cxrbench.models.training.head_weights import HeadWeights

    Floats = NDArray[np.float64]

MOST_IMAGES = 8
"""Images that the measures with random weights are taken on, to bound their cost."""
SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of the backbone's layers, from the top, that are randomised one step after the other."""
FRAME = 3 / 32
"""Width of the outer frame in image widths: what the backbone `control-border` sees."""
FRAME_AREA = 1 - (1 - 2 * FRAME) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How far maps can be trusted. Correlations are Spearman's over the places of a map, averaged over images.

    Attributes:
        images: that were measured.
        heads: or networks that the model is the mean of.
        between_heads: mean correlation between the maps of any two of them; None if there is one.
        random_head: mean correlation of absolute maps with those of random heads.
        random_backbone: the same after the kernels of the upper share of layers were shuffled as well, by share; empty if the
            backbone is not a Keras model.
        outer_frame: mean share of the absolute map in the outer frame, whose area is `FRAME_AREA`.
    """

    images: int
    heads: int
    between_heads: float | None
    random_head: float
    random_backbone: dict[str, float]
    outer_frame: float


def measure_trust(method: Method, heads: Sequence[HeadWeights], images: NDArray[np.uint8]) -> Trust:
    """Measure the maps of a model, given as its single heads, on images uint8 ``[n, s, s]``."""
    observed = method.observed(images)
    maps = method.explain(mean_head(heads), observed)
    return Trust(
        images=len(images),
        heads=len(heads),
        between_heads=_agreement([method.explain(head, observed) for head in heads]),
        random_head=_resemblance(method, maps, observed, random_heads(heads)),
        random_backbone={} if method.network is None else _cascade(method, maps, images, heads),
        outer_frame=float(np.mean([frame_share(one) for one in maps])),
    )


def _agreement(maps: Sequence[Floats]) -> float | None:
    pairs = [correlation(*pair) for of_image in zip(*maps, strict=True) for pair in combinations(of_image, 2)]
    return float(np.mean(pairs)) if pairs else None


def _resemblance(method: Method, maps: Floats, observed: NDArray[np.float32], heads: Iterable[HeadWeights]) -> float:
    """Return how much maps of these heads resemble `maps`. Absolute values: a random head has no sign."""
    others = [other for head in heads for other in method.explain(head, observed)]
    return float(np.mean([correlation(abs(one), abs(other)) for one, other in zip(cycle(maps), others, strict=False)]))


def _cascade(method: Method, maps: Floats, images: NDArray[np.uint8], heads: Sequence[HeadWeights]) -> dict[str, float]:
    steps = {share: method.observe(with_shuffled_top(method.network, share), images) for share in SHARES}
    return {f"{share:.0%}": _resemblance(method, maps, observed, random_heads(heads)) for share, observed in steps.items()}


def correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation of two maps; 0 if one is constant."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(one) for one in (first, second)])
    return 0.0 if np.ptp(ranks, axis=1).min() == 0 else float(np.asarray(np.corrcoef(ranks))[0, 1])


def frame_share(values: Floats) -> float:
    """Return the share of a map's absolute values in the outer frame, each spread evenly over its cell; 0 for an empty map."""
    rows, columns = (_inner_share(side) for side in values.shape)
    total = np.abs(values).sum()
    return float(1 - rows @ np.abs(values) @ columns / total) if total else 0.0


def _inner_share(cells: int) -> Floats:
    """Return the share of each cell along one side that is not in the outer frame."""
    edges = np.clip(np.arange(cells + 1) / cells, FRAME, 1 - FRAME)
    return np.asarray(np.diff(edges) * cells)


def sentences(trust: Trust) -> list[str]:
    """Return what the measures say, in plain English."""
    found = [_about_heads(trust), _about_random_heads(trust)]
    if trust.random_backbone:
        found.append(_about_random_backbones(trust))
    return [*found, _about_frame(trust)]


ALIKE, RELATED = 0.7, 0.4
"""Correlations from which on maps are called alike, or alike in part. A convention."""


def _about_heads(trust: Trust) -> str:
    if trust.between_heads is None:
        return "Seeds: not measured, because the model is of one seed."
    if trust.between_heads >= ALIKE:
        verdict = "They agree."
    elif trust.between_heads >= RELATED:
        verdict = "They agree in part."
    else:
        verdict = "They disagree: other seeds give other maps, so do not read single places."
    return (
        f"Seeds: the maps of any two of the {trust.heads} that it is the mean of have a rank correlation of "
        f"{trust.between_heads:.2f}. {verdict}"
    )


def _about_random_heads(trust: Trust) -> str:
    verdict = _dependence(trust.random_head, "the head learnt")
    return f"Random head: maps of untrained heads resemble those of the model by {trust.random_head:.2f} (1: fully). {verdict}"


def _about_random_backbones(trust: Trust) -> str:
    steps = ", ".join(f"{value:.2f} ({share})" for share, value in trust.random_backbone.items())
    verdict = _dependence(trust.random_backbone["100%"], "the backbone learnt")
    return f"Random backbone: with the kernels of its upper layers shuffled as well, by {steps}. {verdict}"


def _dependence(resemblance: float, what: str) -> str:
    if resemblance >= ALIKE:
        return f"The maps fail this check: they hardly depend on what {what}."
    if resemblance >= RELATED:
        return f"The maps depend only in part on what {what}."
    return f"The maps depend on what {what}."


def _about_frame(trust: Trust) -> str:
    more = trust.outer_frame > FRAME_AREA
    verdict = "More than its area: compare the row of control-border." if more else "No more than its area."
    where = f"{trust.outer_frame:.0%} of the maps lies in the outer frame, which is {FRAME_AREA:.0%} of the image"
    return f"Frame: {where}. {verdict}"
