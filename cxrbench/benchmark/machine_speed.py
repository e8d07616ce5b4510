"""Measure how fast the workers of this machine extract features: batches through two networks in all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, harmonic_mean
from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.execution.executor import open_executor
from cxrbench.models.features.frozen_backbone import FrozenBackbone
from cxrbench.models.timing import time_backbone
from cxrbench.models.weights import Weights
from cxrbench.plugin.specs import Backbone
from cxrbench.storage.sharded_array import SHARD_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.config.settings import Settings
    from cxrbench.execution.executor import Executor
    from cxrbench.plugin.host import Host

TIMED = ("resnet50", "mobilenet:alpha=0.25")
"""A large network of dense convolutions and a small one of depthwise ones: neither speed follows from the other."""
TIMED_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast the workers extract the features of a backbone when all of them do.

    Attributes:
        backbone: as users write it.
        workers: processes that extract at once.
        on_gpu: whether each of them has a GPU.
        setup: seconds to build and compile it.
        per_image: seconds that an image takes in one worker.
    """

    backbone: str
    workers: int
    on_gpu: bool
    setup: float
    per_image: float

    def seconds(self, images: int) -> float:
        """Return the seconds until the features of so many decoded images are extracted by workers that have started."""
        return self.setup + self.per_image * largest_share(images, self.workers)


def measure_speeds(settings: Settings, host: Host) -> Iterator[Speed]:
    """Measure the speed of the timed backbones that are installed, with random weights, which take the same time."""
    declared = {one.spec.name: one for one in host.declarations(Backbone)}
    with open_executor(settings.workers, device=settings.device) as executor:
        networks = executor.for_networks()
        for component in map(parse_component, TIMED):
            if component.name in declared:
                backbone = FrozenBackbone(
                    part=bind(component.with_options({"weights": "none"}), declared[component.name]),
                    weights=Weights(name="none"),
                    seed=0,
                    size=settings.image_size,
                    precision=settings.precision,
                )
                yield _speed_of(str(component), backbone, networks, on_gpu=networks is not executor)


def largest_share(images: int, workers: int) -> int:
    """Return how many images the busiest worker gets: whole shards are handed out, the last of which is smaller."""
    shards, rest = divmod(images, SHARD_ROWS)
    of_all, left = divmod(shards, workers)
    return of_all * SHARD_ROWS + (SHARD_ROWS if left else rest)


def _speed_of(name: str, backbone: FrozenBackbone, executor: Executor, *, on_gpu: bool) -> Speed:
    calls = [executor.submit(time_backbone, backbone, TIMED_SECONDS) for _ in range(executor.workers)]
    times = [call.result() for call in calls]
    return Speed(
        backbone=name,
        workers=executor.workers,
        on_gpu=on_gpu,
        setup=fmean(one.setup for one in times),
        per_image=harmonic_mean([one.per_image for one in times]),  # the faster worker takes more shards
    )
