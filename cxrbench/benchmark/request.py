"""Read what a run is asked to do from its settings and the plugins. Mistakes are found here, before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.benchmark.fine_tuning.candidates import check_wanted
from cxrbench.benchmark.grid import Grid, find_recipe, make_grid
from cxrbench.benchmark.wanted_shifts import development_shifts, wanted_shifts
from cxrbench.data.catalogue import external_datasets
from cxrbench.data.download import Downloader
from cxrbench.data.source import find_dataset
from cxrbench.execution.keras_process import default_backend
from cxrbench.search.engine import find_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.config.part import Part
    from cxrbench.config.recipe import Recipe
    from cxrbench.config.settings import Settings
    from cxrbench.data.shifted import Shifted
    from cxrbench.execution.progress import Progress
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Dataset, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The settings of a run and the components that they name.

    Attributes:
        settings: as the user gave them.
        dataset: the images to train, validate and test on.
        externals: further test sets by name.
        engine: proposes trials.
        grid: the recipes.
        from_scratch: recipes whose networks are trained from random weights.
        shifts: of the test images, with their strengths.
        development: shifts of the validation images that the search selects under, likewise.
        downloader: fetches weights and datasets.
        progress: shows how far images are read.
    """

    settings: Settings
    dataset: Part[Dataset]
    externals: Mapping[str, Part[Dataset]]
    engine: Part[Engine]
    grid: Grid
    from_scratch: tuple[Recipe, ...]
    shifts: tuple[Shifted, ...]
    development: tuple[Shifted, ...]
    downloader: Downloader
    progress: Progress


def read_request(settings: Settings, host: Host, progress: Progress) -> Request:
    """Find the components that the settings name.

    Raises:
        ConfigError: an unknown name or an invalid option.
    """
    downloader = Downloader(offline=settings.offline, say=progress.say)
    with default_backend():  # modules of factories may import Keras
        grid = make_grid(host, settings, downloader)
        check_wanted(settings, [str(recipe) for recipe in grid.recipes])
        return Request(
            settings=settings,
            dataset=find_dataset(settings.data, host, settings.classes),
            externals=external_datasets(settings.external, host),
            engine=find_engine(settings.engine, host, settings.threshold, settings.trials),
            grid=grid,
            from_scratch=tuple(find_recipe(host, text) for text in settings.from_scratch),
            shifts=wanted_shifts(settings, host),
            development=development_shifts(settings, host),
            downloader=downloader,
            progress=progress,
        )
