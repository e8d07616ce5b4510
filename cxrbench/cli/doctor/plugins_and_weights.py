"""Check the plugins, their factories, and the weights of the default grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.config.component import parse_component
from cxrbench.config.part import bind
from cxrbench.config.settings import DEFAULT_BACKBONES
from cxrbench.data.download import Downloader
from cxrbench.errors import PluginError
from cxrbench.models.weights import weights_available, weights_file
from cxrbench.plugin.specs import Backbone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.cli.doctor.packages import ImportCheck
    from cxrbench.config.part import Part
    from cxrbench.config.settings import Settings
    from cxrbench.plugin.host import Host

IMPORT_FACTORIES = """
import json, os, sys
from pathlib import Path
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from cxrbench.config.component import Component
from cxrbench.config.part import bind
from cxrbench.errors import MissingRequirement
from cxrbench.execution.keras_process import default_backend
from cxrbench.plugin.host import KINDS, load_host
settings = json.loads(sys.argv[1])
host, problems, number = load_host([Path(file) for file in settings["plugin"]], settings["without"]), [], 0
for kind in KINDS:
    for declaration in host.declarations(kind):
        number += 1
        try:
            with default_backend():
                bind(Component(name=declaration.spec.name), declaration).factory()
        except MissingRequirement:
            pass
        except (Exception, SystemExit) as error:
            name = f"{declaration.kind} {declaration.spec.name} of {declaration.plugin.name}"
            problems.append([name, f"{type(error).__name__}: {error}"])
print(json.dumps([number, problems]))
"""


def loaded_plugins(host: Host) -> Iterator[Diagnosis]:
    """Report which plugins loaded, and the problems of the others."""
    loaded = [plugin.name for plugin in host.plugins if not plugin.problem and not plugin.blocked]
    yield Diagnosis(area="plugins", found=f"{len(loaded)} loaded: {', '.join(loaded)}")
    for plugin in host.plugins:
        if plugin.blocked:
            yield Diagnosis(area="plugins", found=f"{plugin.name}: not loaded, because of --without")
        if plugin.problem:
            yield Diagnosis(
                area="plugins",
                found=f"{plugin.name}: {plugin.problem}",
                verdict="problem",
                remedy=f"fix it, or run with --without {plugin.name}",
            )
        for note in plugin.notes:
            yield Diagnosis(area="plugins", found=f"{plugin.name}: {note}", verdict="warn", remedy="report this to its author")


def factories(check: ImportCheck) -> Iterator[Diagnosis]:
    """Report declarations whose factory cannot be imported; raise PluginError if the importing process died or hung."""
    answer, problem = check.answer()
    if problem:
        raise PluginError(f"the process that loads all plugins failed: {problem}")
    number, problems = answer
    for name, reason in problems:
        remedy = "fix it; until then its recipes fail with this reason"
        yield Diagnosis(area="factories", found=f"{name}: {reason}", verdict="problem", remedy=remedy)
    if not problems:
        yield Diagnosis(area="factories", found=f"all {number} can be imported")


def default_weights(host: Host, settings: Settings) -> Iterator[Diagnosis]:
    """Report which backbones of the default grid have their weights on this machine."""
    downloader = Downloader(offline=True, say=lambda line: None)
    size = (settings.image_size, settings.image_size, 3)
    declared = {declaration.spec.name: declaration for declaration in host.declarations(Backbone)}
    present: list[str] = []
    missing: list[str] = []
    for component in map(parse_component, DEFAULT_BACKBONES):
        if component.name in declared:
            backbone = bind(component, declared[component.name])
            here = weights_available(backbone, size, downloader)
            (present if here else missing).append(_with_origin(backbone, size) if here else str(component))
    found = f"present: {', '.join(present) or 'none'}" + (f"; missing: {', '.join(missing)}" if missing else "")
    remedy = "run with --download to fetch them" if missing else ""
    yield Diagnosis(area="weights", found=found, verdict="ok" if present else "warn", remedy=remedy)


def _with_origin(backbone: Part[Backbone], size: tuple[int, int, int]) -> str:
    file = weights_file(backbone, size)
    return f"{backbone.component} ({file.origin})" if file and file.origin else str(backbone.component)
