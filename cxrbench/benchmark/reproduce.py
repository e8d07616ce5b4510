"""Run an entry again from its file alone, and report what differs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.benchmark.entry_images import chosen_classes, locate_images
from cxrbench.benchmark.requirements import require_plugins, with_files
from cxrbench.benchmark.run import run_benchmark
from cxrbench.config.settings import Settings, read_settings
from cxrbench.data.download import Downloader
from cxrbench.errors import ConfigError, NothingFinished
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import MEAN_OF_SEEDS
from cxrbench.leaderboard.describe import SHOWN_DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench.execution.progress import Progress
    from cxrbench.leaderboard.store.entry import ComponentFacts, Entry
    from cxrbench.plugin.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A value that differs from the stored one."""

    what: str
    stored: str
    now: str


def settings_of(entry: Entry, given: Mapping[str, Any], files: Sequence[Path] = ()) -> Settings:
    """Return the settings that an entry was made with.

    Args:
        entry: a complete entry.
        given: settings of this machine, such as where the images are.
        files: that options of its components name.

    Raises:
        ConfigError: an entry that cannot be run again, or an invalid setting.
    """
    if entry.kind != "recipe":
        how = "make it again with: cxrbench ensemble" if entry.kind == "ensemble" else "every run makes it again"
        raise ConfigError(f"{entry.name} is not a recipe: {how}")
    if entry.status != "complete":
        raise ConfigError(f"{entry.name} is {entry.status}: there is no result to reproduce")
    protocol = entry.protocol.model_dump()
    of_protocol = Settings.model_fields.keys() & protocol.keys()
    equal = {name: protocol[name] for name in of_protocol if not (name == "folds" and entry.protocol.left_out)}
    found = with_files(entry, files)
    recipe = {
        "backbone": [found["backbone"]],
        "augmentation": [found["augmentation"]],
        "imbalance": [found["imbalance"]],
        "engine": found["engine"],
        "controls": False,
        "external": (),
        "strict_data": False,
        "robustness": "none",
        "allow_leak": bool(entry.audit.leaks),
        "max_failures": entry.protocol.trials,  # its search was finished, whatever failed
    }
    classes = chosen_classes(entry, given.get("data", entry.data))
    return read_settings({"data": entry.data, **classes, **equal, **recipe, **_stage_settings(entry), **given})


def _stage_settings(entry: Entry) -> dict[str, Any]:
    """Return the settings of the stage beyond the heads."""
    if entry.stage == "head":
        return {}
    setting = {"fine-tuned": "fine_tune", "from-scratch": "from_scratch"}[entry.stage]
    budget = {f"{setting}_{name}": count for name, count in entry.budget.items()}
    learns_from = {"fine_tune_from": entry.learns_from} if entry.stage == "fine-tuned" else {}
    return {setting: (entry.recipe,), **budget, **learns_from}


def reproduce_entry(entry: Entry, predictions: Path, settings: Settings, host: Host, progress: Progress) -> list[Deviation]:
    """Run the recipe of an entry in a temporary folder, and return what differs.

    Args:
        entry: a complete entry.
        predictions: its stored table; predictions are not compared if there is none.
        settings: from `settings_of`; ``out`` is not used.
        host: the plugins.
        progress: shows what happens.

    Raises:
        ConfigError: a plugin is missing, or the images are not those of the entry.
        NothingFinished: the recipe fails now; the message says why.
    """
    require_plugins(entry, host)
    _require_images(entry, settings, host, progress)
    with tempfile.TemporaryDirectory(prefix="cxrbench-reproduce-") as folder:
        elsewhere = settings.model_copy(update={"out": Path(folder), "storage": None, "fresh": False})  # nothing from before
        outcome = run_benchmark(elsewhere, host, progress, expected=entry.protocol)
        again = outcome.entries[-1]  # of the last stage
        if again.name != entry.name:
            raise NothingFinished(f"{entry.name} cannot be computed now; the messages above say why")
        if again.status != "complete":
            raise NothingFinished(f"{again.name} is {again.status} now: {again.reason}")
        scores = _scores(Path(folder) / again.protocol.name / again.predictions)
        found = list(_deviations(entry, again))
    return [*found, *(_score_deviations(_scores(predictions), scores) if predictions.is_file() else ())]


def _require_images(entry: Entry, settings: Settings, host: Host, progress: Progress) -> None:
    """Raise ConfigError, with what to do, if the dataset cannot find its images."""
    locate_images(entry, settings.data, host, Downloader(offline=settings.offline, say=progress.say))


def _deviations(entry: Entry, again: Entry) -> Iterator[Deviation]:
    before, now = entry.protocol.model_dump(exclude={"dataset"}), again.protocol.model_dump(exclude={"dataset"})
    for name, value in before.items():
        yield from _differing(f"protocol: {name}", value, now.get(name))
    for name in sorted(entry.versions.keys() | again.versions.keys()):
        yield from _differing(f"version of {name}", entry.versions.get(name, "-"), again.versions.get(name, "-"))
    for stage in sorted(entry.devices.keys() | again.devices.keys()):
        yield from _differing(
            f"{stage} computed on", *(" and ".join(one.devices.get(stage, ("cpu",))) for one in (entry, again))
        )
    for kind, facts in entry.components.items():
        yield from _differing_components(kind, facts, again.components[kind])
    for fold, other in zip(entry.folds, again.folds, strict=False):
        where = f"fold {fold.fold}: "
        yield from _differing(f"{where}selected trial", fold.selected_trial, other.selected_trial)
        for name in sorted(fold.params):
            yield from _differing(f"{where}{name}", fold.params[name], other.params.get(name))
        for head, twin in zip(fold.heads, other.heads, strict=False):
            yield from _differing(f"{where}seed {head.seed}: threshold", head.threshold, twin.threshold)
            if head.model and twin.model:
                yield from _differing(f"{where}seed {head.seed}: SHA-256 of the model", head.model, twin.model)
    for name, value in entry.metrics.items():
        yield from _differing(name, value, again.metrics.get(name))


def _differing_components(kind: str, stored: ComponentFacts, now: ComponentFacts) -> Iterator[Deviation]:
    yield from _differing(f"{kind}: package", stored.package, now.package)
    yield from _differing(f"{kind}: version of {stored.package}", stored.version or "-", now.version or "-")
    for what, before, after in (("source", stored.source, now.source), ("weights", stored.weights, now.weights)):
        yield from _differing(f"{kind}: SHA-256 of its {what}", before[:SHOWN_DIGITS], after[:SHOWN_DIGITS])


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
    if not any(seed == MEAN_OF_SEEDS for _, _, seed, _ in stored):  # earlier versions stored no means
        now = {name: score for name, score in now.items() if name[2] != MEAN_OF_SEEDS}
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
