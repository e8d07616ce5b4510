"""The features that a recipe needs, or why they cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from cxrbench.benchmark.entries import NoResult
from cxrbench.errors import DiskFull, Unavailable
from cxrbench.execution.failures import failure_kind, failure_reason
from cxrbench.models.features.extraction import Extraction, clean_view, extractions
from cxrbench.models.features.frozen_backbone import CHANNELS
from cxrbench.models.weights import get_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.config.part import Part
    from cxrbench.config.protocol import Protocol
    from cxrbench.config.recipe import Recipe
    from cxrbench.data.catalogue import Catalogues
    from cxrbench.data.download import Downloader
    from cxrbench.models.weights import Weights
    from cxrbench.plugin.specs import Backbone
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFeatures:
    """What must be extracted for a recipe.

    Attributes:
        views: of the dataset's images, the clean view first.
        external: the clean view of each external test set, by name.
    """

    views: tuple[Extraction, ...]
    external: Mapping[str, Extraction]

    @property
    def is_searched(self) -> bool:
        """Whether the search sets parameters of the backbone, so that features are extracted for each setting."""
        return bool(self.views[0].backbone.spec.space)

    @property
    def folders(self) -> tuple[ShardedArray, ...]:
        """The arrays of the views; for a searched backbone, those without a setting, which are never written."""
        return tuple(view.features for view in self.views)


def needed_features(
    recipes: Iterable[Recipe], catalogues: Catalogues, protocol: Protocol, downloader: Downloader
) -> dict[Recipe, RecipeFeatures | NoResult]:
    """Return what must be extracted for each recipe; weights that are not on the machine are fetched."""
    pixels = catalogues.main.pixels
    weights = cache(partial(_weights_or_reason, (pixels.size, pixels.size, CHANNELS), downloader))
    needed: dict[Recipe, RecipeFeatures | NoResult] = {}
    for recipe in recipes:
        found = weights(recipe.backbone)
        if isinstance(found, NoResult):
            needed[recipe] = found
            continue
        needed[recipe] = RecipeFeatures(
            views=extractions(pixels, recipe.backbone, recipe.augmentation, found, protocol),
            external={
                name: clean_view(catalogue.pixels, recipe.backbone, found, protocol)
                for name, catalogue in catalogues.external.items()
            },
        )
    return needed


def _weights_or_reason(
    input_shape: tuple[int, int, int], downloader: Downloader, backbone: Part[Backbone]
) -> Weights | NoResult:
    try:
        return get_weights(backbone, input_shape, downloader)
    except DiskFull:
        raise
    except Unavailable as error:
        return NoResult(status="unavailable", reason=str(error), failure="unavailable")
    except Exception as error:
        return NoResult(status="failed", reason=failure_reason(error), failure=failure_kind(error))
