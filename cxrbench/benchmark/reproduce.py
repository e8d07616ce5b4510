"""Run an entry once more from what the entry alone says, and say what differs."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.benchmark import run as benchmark
from cxrbench.config.component import parse_component
from cxrbench.config.settings import Settings, read_settings
from cxrbench.data.download import Downloader
from cxrbench.data.source import downloads_folder, find_dataset, read_images
from cxrbench.errors import ConfigError, NothingFinished
from cxrbench.evaluation.predictions import read_predictions
from cxrbench.plugin.specs import Augmentation, Backbone, Imbalance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Something that came out otherwise than it is stored."""

    what: str
    stored: str
    now: str


def settings_of(entry: Entry, given: Mapping[str, Any]) -> Settings:
    """Return the settings that an entry was made with; `given` says where things lie on this machine.

    Raises:
        ConfigError: an entry that no run of this version can make, or images that lie nobody knows where.
    """
    if entry.kind != "recipe":
        how = "cxrbench ensemble makes it anew" if entry.kind == "ensemble" else "it is made anew with every run"
        raise ConfigError(f"{entry.recipe} is no recipe: {how}")
    if entry.status != "complete":
        raise ConfigError(f"{entry.recipe} is {entry.status}: there is no result to reproduce")
    protocol = entry.protocol.model_dump()
    equal = {name: protocol[name] for name in Settings.model_fields.keys() & protocol.keys()}
    recipe = {
        "backbone": [entry.backbone],
        "augmentation": [entry.augmentation],
        "imbalance": [entry.imbalance],
        "controls": False,
        "external": (),
        "strict_data": False,
        "allow_leak": bool(entry.audit.leaks),
        "max_failures": entry.protocol.trials,  # it came to its end, whatever failed on the way
    }
    return read_settings({"data": entry.data, **equal, **recipe, **given})


def require_no_code(entry: Entry, host: Host) -> None:
    """Refuse an entry that names code to be imported and called, unless it comes with the package that the plugin needs.

    Raises:
        ConfigError: naming that code.
    """
    for kind, text in ((Backbone, entry.backbone), (Augmentation, entry.augmentation), (Imbalance, entry.imbalance)):
        component = parse_component(text)
        for declaration in host.declarations(kind):
            spec = declaration.spec
            packages = {name.replace("-", "_") for name in spec.requires}
            for option, value in component.options:
                foreign = option in spec.points_to and re.split(r"[.:]", str(value))[0] not in packages
                if spec.name == component.name and foreign:
                    raise ConfigError(f"{entry.recipe} names code that would be run, {value}: say --trust-code if you trust it")


def reproduce(entry: Entry, predictions: Path, settings: Settings, host: Host, progress: Progress) -> list[Deviation]:
    """Run the entry's recipe in a folder of its own; return what came out otherwise.

    Args:
        entry: a complete one.
        predictions: its stored table; what is not there is not compared.
        settings: as `settings_of` returns them; ``out`` is not used.
        host: the plugins.
        progress: hears what the run does.

    Raises:
        ConfigError: these are other images than the entry's.
        NothingFinished: the recipe fails now; the message says why.
    """
    _find_images(entry, settings, host, progress)
    with tempfile.TemporaryDirectory(prefix="cxrbench-reproduce-") as folder:
        elsewhere = settings.model_copy(update={"out": Path(folder), "storage": None, "fresh": False})  # nothing from before
        outcome = benchmark.run(elsewhere, host, progress, like=entry.protocol)
        (again,) = outcome.entries
        if again.status != "complete":
            raise NothingFinished(f"{again.recipe} is {again.status} now: {again.reason}")
        scores = _scores(Path(folder) / again.protocol.name / again.predictions)
        found = [*_protocol_deviations(entry, again), *_deviations(entry, again)]
    return [*found, *(_score_deviations(_scores(predictions), scores) if predictions.is_file() else ())]


def _find_images(entry: Entry, settings: Settings, host: Host, progress: Progress) -> None:
    """Have the dataset list its images; raise ConfigError with the remedy where it needs to be told where they lie."""
    downloader = Downloader(folder=downloads_folder(), offline=settings.offline, say=progress.say)
    try:
        read_images(find_dataset(settings.data, host), downloader.fetch)
    except ConfigError as error:
        raise ConfigError(f"{error}. Say where the images of {entry.protocol.dataset} lie: --data NAME|PATH") from None


def _protocol_deviations(entry: Entry, again: Entry) -> Iterator[Deviation]:
    before, now = entry.protocol.model_dump(exclude={"dataset"}), again.protocol.model_dump(exclude={"dataset"})
    for name in before:
        if before[name] != now[name]:
            yield Deviation(what=f"protocol: {name}", stored=str(before[name]), now=str(now[name]))


def _deviations(entry: Entry, again: Entry) -> Iterator[Deviation]:
    for name in sorted(entry.versions.keys() | again.versions.keys()):
        before, now = entry.versions.get(name, "-"), again.versions.get(name, "-")
        if before != now:
            yield Deviation(what=f"version of {name}", stored=before, now=now)
    for fold, other in zip(entry.folds, again.folds, strict=False):
        where = f"fold {fold.fold}: "
        yield from _differing(f"{where}selected trial", fold.selected_trial, other.selected_trial)
        for name in sorted(fold.params):
            yield from _differing(f"{where}{name}", fold.params[name], other.params.get(name))
        for head, twin in zip(fold.heads, other.heads, strict=False):
            yield from _differing(f"{where}seed {head.seed}: threshold", head.threshold, twin.threshold)
    for name, value in entry.metrics.items():
        yield from _differing(name, value, again.metrics.get(name))


def _differing(what: str, stored: Any, now: Any) -> Iterator[Deviation]:
    if stored != now:
        yield Deviation(what=what, stored=str(stored), now=str(now))


def _scores(path: Path) -> dict[tuple[str, int, int, str], float]:
    return {
        (one.subset, one.fold, one.seed, str(key)): float(score)
        for one in read_predictions(path, within=path.parent.parent)
        for key, score in zip(one.keys, one.scores, strict=True)
    }


def _score_deviations(
    stored: Mapping[tuple[str, int, int, str], float], now: Mapping[tuple[str, int, int, str], float]
) -> Iterator[Deviation]:
    if stored.keys() != now.keys():
        yield Deviation(what="predicted images", stored=str(len(stored)), now=str(len(now)))
        return
    moved = np.array([abs(now[name] - score) for name, score in stored.items()])
    if moved.any():
        yield Deviation(
            what="predictions",
            stored=f"{len(moved)} scores",
            now=f"{int((moved > 0).sum())} differ, by up to {moved.max():.2g}",
        )
