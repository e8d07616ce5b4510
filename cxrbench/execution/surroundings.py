"""What worker processes take over from a run in another process or on another machine."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a worker takes over from the process of a run on another machine.

    Attributes:
        environment: variables; None unsets one.
        folder: the working folder; None, or one that is not there, keeps that of the parent.
        searched: folders that Python searches for modules, after all others.
    """

    environment: Mapping[str, str | None] = field(default_factory=dict)
    folder: Path | None = None
    searched: tuple[Path, ...] = ()

    def enter(self) -> None:
        """Set the variables, the working folder and the search path of this process."""
        for name, value in self.environment.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
        sys.path += map(str, self.searched)
        if self.folder and self.folder.is_dir():
            os.chdir(self.folder)


SAME_SURROUNDINGS = Surroundings()
