"""Plugins, their factories, and the weights of the default grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.cli.doctor.finding import Diagnosis
from cxrbench.config.component import Component, bind
from cxrbench.config.settings import DEFAULT_BACKBONES
from cxrbench.data.download import Downloader
from cxrbench.errors import PluginError
from cxrbench.models.weights import are_here
from cxrbench.plugin.specs import Backbone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cxrbench.cli.doctor.packages import Child
    from cxrbench.config.settings import Settings
    from cxrbench.plugin.host import Host

FACTORIES = """
import json, os, sys
from pathlib import Path
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from cxrbench.config.component import Component, bind
from cxrbench.errors import MissingRequirement
from cxrbench.plugin.host import KINDS, load_host
settings = json.loads(sys.argv[1])
host, problems, number = load_host([Path(file) for file in settings["plugin"]], settings["without"]), [], 0
for kind in KINDS:
    for declaration in host.declarations(kind):
        number += 1
        try:
            bind(Component(name=declaration.spec.name), declaration).factory()
        except MissingRequirement:
            pass
        except (Exception, SystemExit) as error:
            name = f"{declaration.kind} {declaration.spec.name} of {declaration.plugin.name}"
            problems.append([name, f"{type(error).__name__}: {error}"])
print(json.dumps([number, problems]))
"""


def plugins(host: Host) -> Iterator[Diagnosis]:
    """Say which plugins there are, and what is wrong with some."""
    well = [plugin.name for plugin in host.plugins if not plugin.problem and not plugin.blocked]
    yield Diagnosis(area="plugins", found=f"{len(well)} well: {', '.join(well)}")
    for plugin in host.plugins:
        if plugin.blocked:
            yield Diagnosis(area="plugins", found=f"{plugin.name}: blocked, as was asked for")
        if plugin.problem:
            yield Diagnosis(
                area="plugins",
                found=f"{plugin.name}: {plugin.problem}",
                verdict="problem",
                remedy=f"mend it, or leave it out: --without {plugin.name}",
            )
        for note in plugin.notes:
            yield Diagnosis(area="plugins", found=f"{plugin.name}: {note}", verdict="warn", remedy="tell its author")


def factories(child: Child) -> Iterator[Diagnosis]:
    """Say which declarations name a factory that cannot be imported; raise PluginError if loading ended the process itself."""
    answer, problem = child.answer()
    if problem:
        raise PluginError(f"a process that loaded all plugins did not come to its end: {problem}")
    number, problems = answer
    for name, reason in problems:
        remedy = "mend it; until then, its recipes are rows with this reason"
        yield Diagnosis(area="factories", found=f"{name}: {reason}", verdict="problem", remedy=remedy)
    if not problems:
        yield Diagnosis(area="factories", found=f"all {number} can be imported")


def weights(host: Host, settings: Settings, downloads: Path) -> Iterator[Diagnosis]:
    """Say which backbones of the default grid a run would take, and how to have the others."""
    downloader = Downloader(folder=downloads, offline=True, say=lambda line: None)
    size = (settings.image_size, settings.image_size, 3)
    declared = {one.spec.name: one for one in host.declarations(Backbone)}
    here: list[str] = []
    away: list[str] = []
    for name in (one for one in DEFAULT_BACKBONES if one in declared):
        part = bind(Component(name=name), declared[name])
        (here if are_here(part, size, downloader) else away).append(name)
    found = f"here: {', '.join(here) or 'none'}" + (f"; not here: {', '.join(away)}" if away else "")
    remedy = "cxrbench run --download fetches them" if away else ""
    yield Diagnosis(area="weights", found=found, verdict="ok" if here else "warn", remedy=remedy)
