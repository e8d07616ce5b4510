"""What a worker's machine must have in common with the machine of the run, so that both compute the same numbers."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from cxrbench.execution.cluster.plugin_files import PluginFile, read_plugin_file
from cxrbench.execution.surroundings import Surroundings
from cxrbench.plugin.sources import digest_of_package
from cxrbench.storage.files import home
from cxrbench.storage.versions import COMPUTING_PACKAGES, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HOME = "CXRBENCH_HOME"
TAKEN_OVER = ("KERAS_BACKEND", "KERAS_HOME", "CXRBENCH_SECRET_FILE", "TF_DETERMINISTIC_OPS")
"""Variables that workers have as the run has them, set or not, beside its cache."""
MARK = ".cxrbench-cluster-{}"
"""Name of the file in each shared folder by which a worker's machine shows that it sees the same folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What the machines of a run have in common. It is sent to each worker's machine, which looks for what differs there.

    Attributes:
        versions: of Python and of the packages that numbers depend on.
        sources: SHA-256 of the source of this package and of those of plugins, by package.
        folders: shared folders, by the setting that names them.
        mark: name of a file in each of these folders.
        surroundings: of calls.
        files: the one-file plugins.
        local_copies: whether each machine reads arrays from its own disk.
    """

    versions: Mapping[str, str]
    sources: Mapping[str, str]
    folders: Mapping[str, Path]
    mark: str
    surroundings: Surroundings
    files: tuple[PluginFile, ...]
    local_copies: bool = False

    def problems(self) -> list[str]:
        """Return what differs on this machine, each with what to do."""
        return [*self._other_versions(), *self._other_sources(), *self._other_folders()]

    def _other_versions(self) -> Iterator[str]:
        here = computing_versions(self.versions)
        for package in sorted(self.versions.keys() | here.keys()):
            wanted, found = self.versions.get(package), here.get(package)
            if wanted and not found:
                yield f"{package} {wanted} is not installed: install it"
            elif wanted != found:
                yield f"{package} is {found}, but {wanted or 'missing'} where the run is: install the same versions"

    def _other_sources(self) -> Iterator[str]:
        for package, wanted in self.sources.items():
            found = digest_of_package(package)
            if not found:
                yield f"the package {package} is not installed: install the plugin that it belongs to"
            elif found != wanted:
                yield f"the package {package} has another source: install the same version"

    def _other_folders(self) -> Iterator[str]:
        own = os.environ.get(HOME)
        shared = self.folders[HOME]
        if own and not _is_same(Path(own).expanduser(), shared):
            yield f"{HOME} is {own}, but {shared} where the run is: start the worker with the same one, or without it"
            return
        for setting, folder in self.folders.items():
            if not (folder / self.mark).is_file():
                yield f"{setting} {folder} is not the folder of the run: it must be a shared folder at the same path"


def computing_versions(further: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions here of Python and of the packages that numbers depend on, and of further ones."""
    major, minor, _ = platform.python_version_tuple()
    packages = dict.fromkeys((*COMPUTING_PACKAGES, *(name for name in further if name != "python")))
    return {"python": f"{major}.{minor}", **versions_of(*packages)}


@contextmanager
def agreed(
    folders: Mapping[str, Path], requires: Iterable[str], packages: Iterable[str], files: Iterable[Path]
) -> Iterator[Agreement]:
    """Yield what workers must have in common with this process; their folders hold a mark until the block ends.

    Args:
        folders: shared folders beside the cache, by the setting that names them.
        requires: packages that plugins of the run need.
        packages: that plugins of the run are in.
        files: one-file plugins.
    """
    shared = {HOME: home().absolute(), **{setting: folder.absolute() for setting, folder in folders.items()}}
    mark = MARK.format(uuid4().hex)
    environment = {**{name: os.environ.get(name) for name in TAKEN_OVER}, HOME: str(shared[HOME])}
    for folder in shared.values():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / mark).touch()
    try:
        yield Agreement(
            versions=computing_versions(requires),
            sources={package: digest_of_package(package) for package in ("cxrbench", *sorted(set(packages)))},
            folders=shared,
            mark=mark,
            surroundings=Surroundings(environment=environment, folder=Path.cwd()),
            files=tuple(read_plugin_file(file) for file in files),
        )
    finally:
        for folder in shared.values():
            with suppress(OSError):
                (folder / mark).unlink()


def _is_same(folder: Path, other: Path) -> bool:
    with suppress(OSError):
        return folder.samefile(other)
    return False
