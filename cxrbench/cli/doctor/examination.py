"""Look at everything, one thing after the other; no single one that is broken keeps the others from being looked at."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from cxrbench.cli.doctor import machine, packages, parts, places
from cxrbench.cli.doctor.finding import Diagnosis, guarded
from cxrbench.config.settings import Settings, read_settings
from cxrbench.data.source import downloads_folder
from cxrbench.errors import CxrbenchError
from cxrbench.plugin.host import Host, load_host
from cxrbench.storage.files import home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


def diagnose(flags: Mapping[str, Any]) -> Iterator[Diagnosis]:
    """Yield what is found, `flags` being those that a run would be given."""
    settings, problems = _settings(flags)
    chosen = json.dumps({"plugin": [str(file) for file in settings.plugin], "without": settings.blocked})
    keras, factories = packages.Child(packages.KERAS), packages.Child(parts.FACTORIES, [chosen])
    yield from guarded("cxrbench", packages.versions)
    yield from problems
    yield from guarded("packages", packages.dependencies)
    yield from guarded("cores", partial(machine.cores, settings))
    yield from guarded("memory", partial(machine.memory, settings))
    yield from guarded("open files", machine.limits)
    yield from guarded("--out", partial(places.writable, "--out", settings.out, "--out"))
    yield from guarded("CXRBENCH_HOME", partial(places.writable, "CXRBENCH_HOME", home(), "CXRBENCH_HOME"))
    yield from guarded("cache", partial(_kept, settings))
    yield from guarded("leftovers", partial(places.left_behind, settings.out))
    yield from guarded("plugins", partial(_plugins, settings, factories))
    yield from guarded("keras", partial(packages.keras, keras))
    yield from guarded("optional", packages.extras)


def _settings(flags: Mapping[str, Any]) -> tuple[Settings, list[Diagnosis]]:
    """Return the settings of a run, or else the defaults, and what is wrong with what was set."""
    try:
        return read_settings(flags), []
    except CxrbenchError as error:
        remedy = "correct cxrbench.toml, or the environment variable CXRBENCH_... of that name"
        problem = Diagnosis(area="settings", found=str(error), verdict="problem", remedy=remedy)
        return Settings.model_construct(**flags), [problem]


def _kept(settings: Settings) -> Iterator[Diagnosis]:
    size, found = places.cached(home())
    yield from found
    yield from machine.disks(settings, home(), size)


def _plugins(settings: Settings, child: packages.Child) -> Iterator[Diagnosis]:
    factories = list(parts.factories(child))  # where that process died or hung, this one must not load them
    host: Host = load_host(settings.plugin, settings.blocked)
    yield from parts.plugins(host)
    yield from factories
    yield from guarded("weights", partial(parts.weights, host, settings, downloads_folder()))
