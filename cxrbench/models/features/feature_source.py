"""Where the features of a recipe come from: extracted before its search, or for each setting of the backbone that is tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from cxrbench.errors import CxrbenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.schedule import PendingExtractions
    from cxrbench.plugin.specs import Space, Value
    from cxrbench.storage.sharded_array import ShardedArray


class FeaturesMissing(CxrbenchError):
    """Features that could not be extracted."""


class FeatureSource(Protocol):
    """Gives the features of a trial's parameters."""

    @property
    def space(self) -> Space:
        """The backbone's own parameters that the search sets; empty for most."""
        ...

    def views(self, params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        """Return the clean view and then the augmented ones; raise FeaturesMissing if they cannot be had."""
        ...

    def external(self, name: str, params: Mapping[str, Value]) -> ShardedArray:
        """Return the clean view of an external test set, likewise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFeatures:
    """Features that do not depend on any parameter.

    Attributes:
        extracted: the views.
        of_external: by name of the test set, its view, or why it could not be extracted.
    """

    extracted: tuple[ShardedArray, ...]
    of_external: Mapping[str, ShardedArray | str]

    @property
    def space(self) -> Space:
        """Nothing."""
        return {}

    def views(self, params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        """Return them."""
        del params
        return self.extracted

    def external(self, name: str, params: Mapping[str, Value]) -> ShardedArray:
        """Return the view, or raise why there is none."""
        del params
        view = self.of_external[name]
        if isinstance(view, str):
            raise FeaturesMissing(view)
        return view


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyFeatures:
    """Features of a backbone whose own parameters are searched; each setting is extracted once and kept like any other.

    Attributes:
        base: the extractions without a setting.
        of_external: by name of the test set, likewise.
        extract: has the missing shards of extractions written.
    """

    base: tuple[Extraction, ...]
    of_external: Mapping[str, Extraction]
    space: Space
    extract: Callable[[Iterable[Extraction]], PendingExtractions]

    def views(self, params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        """Wait for the features of a setting."""
        return self._extracted(self.base, params)

    def external(self, name: str, params: Mapping[str, Value]) -> ShardedArray:
        """Wait for those of an external test set."""
        return self._extracted((self.of_external[name],), params)[0]

    def _extracted(self, base: tuple[Extraction, ...], params: Mapping[str, Value]) -> tuple[ShardedArray, ...]:
        setting = {name: params[name] for name in self.space if name in params}
        wanted = [replace(one, backbone=one.backbone.at(setting)) for one in base]
        underway = self.extract(wanted)
        for one in wanted:
            outcome = underway.wait(one)
            if outcome.problem:
                raise FeaturesMissing(outcome.problem) from outcome.error
        return tuple(one.features for one in wanted)


def discover_space(base: Extraction) -> Space:
    """Return what a backbone lets the search set, less what the user has set; called in a worker."""
    backbone = base.backbone
    found: Space = backbone.resolve(backbone.spec.space)(input_shape=base.input_shape, **backbone.arguments)
    chosen = dict(backbone.component.options)
    return {name: parameter for name, parameter in found.items() if name not in chosen}
