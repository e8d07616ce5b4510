"""Choose which classes of a source are the negative and the positive one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.plugin import ClassNames, ConfigError, DataError
from cxrbench_datasets.image_files import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench_datasets.tree import Label

JOIN = "+"
"""Joins several classes that are taken as one."""
HEALTHY = ("normal", "healthy", "no finding", "no_finding", "nofinding", "negative", "none", "control", "0", "false", "no")
DISEASED = ("1", "true", "yes", "positive", "abnormal", "pneumonia")
"""Names that an example takes for the negative and the positive class; nothing but the example depends on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes that are read.

    Attributes:
        names: as tables show them.
        labels: the label of each class of the source that is read, by its casefolded name.
    """

    names: ClassNames
    labels: Mapping[str, Label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The names of classes that a user gave; empty where none was given."""

    negative: str
    positive: str

    @property
    def is_made(self) -> bool:
        """Whether any name was given."""
        return bool(self.negative or self.positive)

    @property
    def given(self) -> Mapping[str, str]:
        """The names that were given, by option."""
        return {option: text for option, text in (("negative", self.negative), ("positive", self.positive)) if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The classes of a source.

    Attributes:
        dataset: the dataset that reads the source.
        source: as the user wrote it.
        counts: the number of images of each class, by its name as it is spelled there.
    """

    dataset: str
    source: str
    counts: Mapping[str, int]

    @property
    def spelled(self) -> Mapping[str, str]:
        """The first spelling of each class, by its casefolded name."""
        return {name.casefold(): name for name in reversed(list(self.counts))}

    def unclear(self, problem: str) -> DataError:
        """Return an error that names the classes and shows how to choose."""
        negative, positive = _example(self.counts)
        values = {"source": self.source, "positive": positive, "negative": negative}
        options = ",".join(f"{option}={_as_value(text)}" for option, text in values.items())
        return DataError(
            f"{self.source}: {problem}. Its classes: {listed(self.counts)}. Choose, for example: "
            f"--positive {shlex.quote(positive)} --negative {shlex.quote(negative)} (several as A{JOIN}B; others are "
            f"left out). In --external: {shlex.quote(f'NAME={self.dataset}:{options}')}"
        )


def choose_classes(choice: Choice, found: Found) -> Classes:
    """Return the classes that a choice stands for. If one of the two is not given, it is the one class that is left.

    Args:
        choice: at least one of the two.
        found: the classes of the source.

    Raises:
        ConfigError: a class is in both.
        DataError: the source has no such class, or it is unclear what the other class is.
    """
    spelled, given = found.spelled, dict(choice.given)
    members = {option: _members(option, text, found) for option, text in given.items()}
    others = spelled.keys() - set().union(*members.values())
    for option in {"negative", "positive"} - members.keys():
        if len(others) != 1:
            raise found.unclear(f"{' and '.join(f'{name}={text}' for name, text in given.items())} leaves {option} open")
        members[option], given[option] = others, spelled[min(others)]
    if both := members["negative"] & members["positive"]:
        raise ConfigError(f"{found.source}: {spelled[min(both)]} is in the negative and in the positive class: name it once")
    labels: dict[str, Label] = {**dict.fromkeys(members["negative"], 0), **dict.fromkeys(members["positive"], 1)}
    return Classes(names=ClassNames(negative=given["negative"], positive=given["positive"]), labels=labels)


def _members(option: str, text: str, found: Found) -> set[str]:
    """Return the casefolded names of the classes that a text such as ``TB+COVID`` names; a name may have a plus sign itself."""
    whole, known = text.strip().casefold(), found.spelled
    names = [text.strip()] if whole in known else [part.strip() for part in text.split(JOIN)]
    for name in names:
        if name.casefold() not in known:
            raise DataError(
                f"{found.source}: {option}={text}: no images of class {name!r}. Its classes: {listed(found.counts)}"
            )
    return {name.casefold() for name in names}


def _example(counts: Mapping[str, int]) -> tuple[str, str]:
    """Return a class to show as the negative one, and one as the positive one."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    negative = next((name for name in names if name.casefold() in HEALTHY), names[-1])
    others = [name for name in names if name != negative]
    return negative, next((name for name in others if name.casefold() in DISEASED), others[0])


def _as_value(text: str) -> str:
    return f'"{text}"' if "," in text else text
