"""Errors whose messages are shown to the user. Each class has the exit code of the command that it ends."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class CxrbenchError(Exception):
    """Base class. The message says what is wrong, with the value, and what to do."""

    exit_code: ClassVar[int] = 2


class ConfigError(CxrbenchError):
    """A setting, component or option is invalid."""


class UnknownName(ConfigError):
    """No plugin registered this name, or the component has no such option."""


class PluginError(CxrbenchError):
    """A plugin cannot be loaded, or it broke its contract."""


class MissingRequirement(CxrbenchError):
    """An optional feature needs a package that is not installed."""


class DataError(CxrbenchError):
    """The images or labels do not allow a fair comparison."""

    exit_code: ClassVar[int] = 3


class Unavailable(CxrbenchError):
    """A file (weights, a download) is not on this machine and cannot be fetched now."""


class DiskFull(CxrbenchError):
    """The file system has no room for a file. Files written earlier are complete."""

    exit_code: ClassVar[int] = 1


class NothingFinished(CxrbenchError):
    """The run has no complete entry."""

    exit_code: ClassVar[int] = 4


class Interrupted(CxrbenchError):
    """The user stopped the run."""

    exit_code: ClassVar[int] = 130


class StorageLost(CxrbenchError):
    """The database of studies does not answer any more. The run ends and keeps finished results."""

    exit_code: ClassVar[int] = 130


class WorkersUnavailable(CxrbenchError):
    """No worker process can start, or this process lacks what a worker needs. The run ends and keeps finished results."""


class StudyDamaged(CxrbenchError):
    """The record of a study cannot be read."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return an error that suggests the closest of the `known` names, or lists them all."""
    names = sorted(known)
    matches = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(matches)}?" if matches else f"known: {', '.join(names) or 'none'}"
    return UnknownName(f"unknown {kind} {name!r}: {hint}")


def missing_requirement(who: str, packages: Iterable[str]) -> MissingRequirement:
    """Return an error that says how to install the `packages` that `who` needs."""
    names = " ".join(packages)
    return MissingRequirement(f"{who} needs {names}, which is not installed: pip install {names}")
