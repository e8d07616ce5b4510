"""Feature sources of a recipe: features cached before the search, or extracted lazily for each setting of the backbone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.frozen_backbone import FrozenBackbone
    from cxrbench.models.features.schedule import PendingExtractions
    from cxrbench.plugin.specs import Space, Value
    from cxrbench.storage.sharded_array import ShardedArray


class ExtractionFailed(CxrbenchError):
    """Features could not be extracted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFeatures:
    """Features extracted before the search, the same for all parameters.

    Attributes:
        extracted: the clean view and then the augmented ones.
        of_external: the clean view, or the failure reason, by name of the external test set.
    """

    extracted: tuple[ShardedArray, ...]
    of_external: Mapping[str, ShardedArray | str]

    @property
    def space(self) -> Space:
        """The backbone's parameters that the search sets: none."""
        return {}

    def views(self, params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        """Return the clean view and then the augmented ones, which are cached."""
        del params
        return self.extracted

    def external(self, name: str, params: Mapping[str, Value]) -> ShardedArray:
        """Return the cached view, or raise ExtractionFailed with the failure reason."""
        del params
        view = self.of_external[name]
        if isinstance(view, str):
            raise ExtractionFailed(view)
        return view


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyFeatures:
    """Features of a backbone whose parameters are searched. Each setting is extracted once, when a trial needs it, and cached.

    Attributes:
        base: the extractions of all views, before the parameters are set.
        of_external: the extraction of the clean view, before the parameters are set, by name of the external test set.
        space: the backbone's parameters that the search sets.
        extract: submits the missing shards of extractions.
    """

    base: tuple[Extraction, ...]
    of_external: Mapping[str, Extraction]
    space: Space
    extract: Callable[[Iterable[Extraction]], PendingExtractions]

    def views(self, params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        """Extract the features for these parameters if they are missing; raise ExtractionFailed if that fails."""
        return self._extracted(self.base, params)

    def external(self, name: str, params: Mapping[str, Value]) -> ShardedArray:
        """Extract the features of an external test set if they are missing; raise ExtractionFailed if that fails."""
        return self._extracted((self.of_external[name],), params)[0]

    def _extracted(self, base: tuple[Extraction, ...], params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        setting = setting_of(self.space, params)
        extractions = [replace(extraction, backbone=extraction.backbone.at(setting)) for extraction in base]
        pending = self.extract(extractions)
        for extraction in extractions:
            extracted = pending.wait(extraction)
            if extracted.problem:
                raise ExtractionFailed(extracted.problem) from extracted.error
        return tuple(extraction.features for extraction in extractions)


FeatureSource = CachedFeatures | LazyFeatures
"""Provides the features for the parameters of a trial."""


def setting_of(space: Space, params: Mapping[str, Value]) -> dict[str, Value]:
    """Return those parameters of a trial that set its backbone."""
    return {name: params[name] for name in space if name in params}


def discover_space(backbone: FrozenBackbone) -> Space:
    """Return the parameters that the backbone lets the search set, without those set by the user. Runs plugin code."""
    part = backbone.part
    if not part.spec.space:
        return {}
    space: Space = part.resolve(part.spec.space)(input_shape=backbone.input_shape, **part.arguments)
    set_by_user = dict(part.component.options)
    return {name: parameter for name, parameter in space.items() if name not in set_by_user}
