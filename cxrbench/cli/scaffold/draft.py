"""Write a new plugin: a distribution that installs, is listed and passes the checks at once, or a single file."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import ConfigError
from cxrbench.plugin.host import KEBAB_CASE, KINDS, RESERVED, kind_name
from cxrbench.storage.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cxrbench.plugin.host import Host

KindName = Literal["backbone", "augmentation", "imbalance", "dataset", "engine"]
LicenseName = Literal["Apache-2.0", "MIT", "BSD-3-Clause"]
SAMPLE = {"ann_1_1": 3, "ann_1_2": 5, "bob_0_1": 7, "cleo_0_1": 11}
"""The films of a new dataset's sample, and the step between the greys of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plugin that is to be written: ``cxrbench-<name>``, module ``cxrbench_<name>``."""

    name: str
    kind: KindName
    license: LicenseName = "Apache-2.0"

    @property
    def distribution(self) -> str:
        """The name of the package, as pip knows it."""
        return f"cxrbench-{self.name}"

    @property
    def module(self) -> str:
        """The name of the module, as Python knows it."""
        return self.distribution.replace("-", "_")

    @property
    def example(self) -> str:
        """The component as the README checks it."""
        return f"{self.name}:source=sample" if self.kind == "dataset" else self.name

    @property
    def command(self) -> str:
        """A command that shows the plugin at work."""
        if self.kind == "dataset":
            return f"cxrbench data inspect {self.example}"
        beside = "" if self.kind == "backbone" else " --backbone random-convnet"
        return f"cxrbench run --{self.kind} {self.name}{beside} --data phantom --trials 5"

    def next_steps(self, folder: Path, one_file: bool) -> list[str]:
        """Return the commands that try it, from the folder that one is in."""
        if one_file:
            file = folder / f"{self.module}.py"
            return [f"next: cxrbench plugins check {file}", f"      {self.command} --plugin {file}"]
        move = f"cd {folder / self.distribution}"
        return [f"next: {move} && pip install .", f"      cxrbench plugins check {self.example}", f"      {self.command}"]

    @property
    def words(self) -> Mapping[str, str]:
        """What the templates are filled with."""
        article = "an" if self.kind[0] in "aei" else "a"
        return {
            "name": self.name,
            "kind": self.kind,
            "license": self.license,
            "distribution": self.distribution,
            "module": self.module,
            "example": self.example,
            "command": self.command,
            "article": article,
            "Article": article.capitalize(),
            "year": str(time.localtime().tm_year),
        }


def write_distribution(draft: Draft, folder: Path, host: Host) -> list[Path]:
    """Write a distribution in a new folder below `folder`; return its files.

    Raises:
        ConfigError: the name cannot be used or is taken, or the folder exists.
    """
    _check(draft, host)
    target = folder / draft.distribution
    _refuse_to_overwrite(target)
    contents = {
        "pyproject.toml": _filled("pyproject.toml", draft),
        "README.md": _filled("README.md", draft),
        "LICENSE": _filled(f"LICENSE-{draft.license}", draft),
        f"{draft.module}.py": _filled(f"{draft.kind}.py", draft),
        f"test_{draft.module}.py": _filled("test_dataset.py" if draft.kind == "dataset" else "test_module.py", draft),
        **(_sample() if draft.kind == "dataset" else {}),
    }
    return [_write(target / name, text) for name, text in contents.items()]


def write_one_file(draft: Draft, folder: Path, host: Host) -> list[Path]:
    """Write a module for ``--plugin FILE``; return it.

    Raises:
        ConfigError: the name cannot be used or is taken, or the file exists.
    """
    _check(draft, host)
    target = folder / f"{draft.module}.py"
    _refuse_to_overwrite(target)
    return [_write(target, _filled(f"{draft.kind}.py", draft))]


def _check(draft: Draft, host: Host) -> None:
    if not KEBAB_CASE.fullmatch(draft.name):
        raise ConfigError(f"{draft.name!r} is not kebab-case: write a-z, 0-9 and single hyphens, such as my-{draft.kind}")
    if draft.name in RESERVED:
        raise ConfigError(f"{draft.name!r} means every {draft.kind} on the command line: choose another name")
    kind = next(kind for kind in KINDS if kind_name(kind) == draft.kind)
    for declaration in host.declarations(kind):
        if declaration.spec.name == draft.name:
            owner = declaration.plugin.distribution or declaration.plugin.name
            raise ConfigError(f"{draft.kind} {draft.name!r} is taken: {owner} declares it; choose another name")
    if importlib.util.find_spec(draft.module):
        raise ConfigError(f"the module {draft.module} is installed already: choose another name than {draft.name!r}")


def _refuse_to_overwrite(target: Path) -> None:
    if target.exists():
        raise ConfigError(f"{target} exists: remove it, choose another name, or another folder with --out")


def _filled(template: str, draft: Draft) -> str:
    text = (files("cxrbench.cli.scaffold") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(draft.words)


def _sample() -> dict[str, str]:
    """Return four tiny films, as text that image programs read."""
    text = (files("cxrbench.cli.scaffold") / "templates" / "sample.pgm.txt").read_text(encoding="utf-8")
    rows = {name: [[str((step * (8 * y + x)) % 256) for x in range(8)] for y in range(8)] for name, step in SAMPLE.items()}
    pixels = {name: "\n".join(" ".join(row) for row in grid) for name, grid in rows.items()}
    return {f"sample/{name}.pgm": Template(text).substitute(pixels=grid) for name, grid in pixels.items()}


def _write(path: Path, text: str) -> Path:
    try:
        write_text(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another folder with --out") from None
    return path
