"""Run all checks, one after the other. A check that fails does not stop the later ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.cli.doctor import folders, machine, packages, plugins_and_weights
from cxrbench.cli.doctor.cluster import workers_of_scheduler
from cxrbench.cli.doctor.diagnosis import Diagnosis, guarded
from cxrbench.cli.doctor.workers import start_of_workers
from cxrbench.config.settings import Settings, read_settings
from cxrbench.errors import CxrbenchError
from cxrbench.execution.devices import NO_GPU, VARIABLES
from cxrbench.plugin.host import Host, load_host
from cxrbench.storage.files import home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


def diagnose(flags: Mapping[str, Any]) -> Iterator[Diagnosis]:
    """Yield the result of every check.

    Args:
        flags: the flags of the run that is checked for.
    """
    settings, problems = _settings_or_defaults(flags)
    plugin_flags = json.dumps({"plugin": [str(file) for file in settings.plugin], "without": settings.blocked})
    hidden = dict.fromkeys(VARIABLES, NO_GPU) if settings.device == "cpu" else {}
    keras = packages.ImportCheck(packages.IMPORT_KERAS, variables=hidden)
    factories = packages.ImportCheck(plugins_and_weights.IMPORT_FACTORIES, [plugin_flags])
    yield from guarded("cxrbench", packages.versions)
    yield from problems
    yield from guarded("packages", packages.dependencies)
    yield from guarded("cores", partial(machine.cores, settings))
    yield from guarded("memory", partial(machine.memory, settings))
    yield from guarded("open files", machine.open_file_limit)
    yield from guarded("workers", partial(start_of_workers, settings))
    yield from guarded("--out", partial(folders.check_writable_and_lockable, "--out", settings.out))
    yield from guarded("CXRBENCH_HOME", partial(folders.check_writable_and_lockable, "CXRBENCH_HOME", home()))
    yield from guarded("scheduler", partial(workers_of_scheduler, settings))
    yield from guarded("cache", partial(_cache_and_disks, settings))
    yield from guarded("stale files", partial(folders.stale_files, settings.out))
    yield from guarded("plugins", partial(_plugins_and_weights, settings, factories))
    yield from guarded("keras", partial(packages.keras, keras, settings.device))
    yield from guarded("optional", packages.extras)


def _settings_or_defaults(flags: Mapping[str, Any]) -> tuple[Settings, list[Diagnosis]]:
    """Return the settings of a run and no problem, or the defaults and what is wrong with the settings."""
    try:
        return read_settings(flags), []
    except CxrbenchError as error:
        remedy = "correct it in cxrbench.toml, or in the environment variable CXRBENCH_..."
        problem = Diagnosis(area="settings", found=str(error), verdict="problem", remedy=remedy)
        files = tuple(map(Path, flags.get("plugin", ())))
        out = Path(flags.get("out", Settings.model_fields["out"].default))
        return Settings.model_construct(out=out, plugin=files), [problem]


def _cache_and_disks(settings: Settings) -> Iterator[Diagnosis]:
    size, diagnosis = folders.cache_size(home())
    yield diagnosis
    yield from machine.disks(settings, home(), size)


def _plugins_and_weights(settings: Settings, check: packages.ImportCheck) -> Iterator[Diagnosis]:
    factories = list(plugins_and_weights.factories(check))  # raises if that process died or hung: do not load plugins here
    host: Host = load_host(settings.plugin, settings.blocked)
    yield from plugins_and_weights.loaded_plugins(host)
    yield from factories
    yield from guarded("weights", partial(plugins_and_weights.default_weights, host, settings))
