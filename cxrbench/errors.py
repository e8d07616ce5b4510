"""The errors that a person is meant to read; each carries the exit code it ends a command with."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class CxrbenchError(Exception):
    """What was wrong, which value, and what to do, in words for the person who ran the command."""

    exit_code: ClassVar[int] = 2


class ConfigError(CxrbenchError):
    """A setting, a component or an option that cannot be meant."""


class UnknownName(ConfigError):
    """A name that no plugin has registered, or an option that a component does not have."""


class PluginError(CxrbenchError):
    """A plugin that could not be loaded, or that broke its contract."""


class MissingRequirement(CxrbenchError):
    """A package that an optional part needs and that is not installed."""


class DataError(CxrbenchError):
    """Images or labels that no fair comparison can be made with."""

    exit_code: ClassVar[int] = 3


class Unavailable(CxrbenchError):
    """Something that is not on this machine and cannot be fetched now (weights, a download)."""


class DiskFull(CxrbenchError):
    """A file system without room for what must be written; what was written before is whole."""

    exit_code: ClassVar[int] = 1


class NothingFinished(CxrbenchError):
    """A run without a single complete entry."""

    exit_code: ClassVar[int] = 4


class Interrupted(CxrbenchError):
    """A run that the user stopped."""

    exit_code: ClassVar[int] = 130


class StorageLost(CxrbenchError):
    """A database of studies that does not come back: the run ends, and what was finished is kept."""

    exit_code: ClassVar[int] = 130


class StudyDamaged(CxrbenchError):
    """The record of a study that nobody can read any more."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Return the error that names the nearest of the `known` names, or all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UnknownName(f"unknown {kind} {name!r}: {hint}")


def missing_requirement(who: str, packages: Iterable[str]) -> MissingRequirement:
    """Return the error that says how to install `packages`."""
    names = " ".join(packages)
    return MissingRequirement(f"{who} needs {names}, which is not installed: pip install {names}")
