"""Create a new plugin that passes all checks: an installable package or a single file."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from cxrbench.errors import ConfigError
from cxrbench.plugin.host import KEBAB_CASE, KINDS, RESERVED_NAMES, kind_name
from cxrbench.storage.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cxrbench.cli.scaffold.choices import KindName, LicenseName
    from cxrbench.plugin.host import Host

SAMPLE_IMAGES = {"ann_1_1": 3, "ann_1_2": 5, "bob_0_1": 7, "cleo_0_1": 11}
"""The sample images of a new dataset by name, each with the step between its grey levels."""

TEST_OF = {"dataset": "dataset", "observer": "observer"}
"""The kinds whose template of a test is their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A new plugin: package ``cxrbench-<name>``, module ``cxrbench_<name>``."""

    name: str
    kind: KindName
    license: LicenseName = "Apache-2.0"

    @property
    def distribution(self) -> str:
        """The name of the package for pip."""
        return f"cxrbench-{self.name}"

    @property
    def module(self) -> str:
        """The import name of the module."""
        return self.distribution.replace("-", "_")

    @property
    def example(self) -> str:
        """What the plugin's README checks: its component, or the plugin itself if it is an observer."""
        if self.kind == "observer":
            return self.distribution
        return f"{self.name}:source=sample" if self.kind == "dataset" else self.name

    @property
    def command(self) -> str:
        """A command that uses the plugin."""
        if self.kind == "dataset":
            return f"cxrbench data inspect {self.example}"
        if self.kind == "shift":
            return "cxrbench run --robustness full --backbone random-convnet --data phantom --trials 5"
        backbone = "" if self.kind == "backbone" else " --backbone random-convnet"
        component = "" if self.kind == "observer" else f" --{self.kind} {self.name}"
        return f"cxrbench run{component}{backbone} --data phantom --trials 5"

    def next_steps(self, folder: Path, one_file: bool) -> list[str]:
        """Return the commands that try the plugin, to be run in the current folder."""
        if one_file:
            file = folder / f"{self.module}.py"
            checked = f"{self.name}:source=PATH --plugin {file}" if self.kind == "dataset" else file
            return [f"next: cxrbench plugins check {checked}", f"      {self.command} --plugin {file}"]
        change_folder = f"cd {folder / self.distribution}"
        return [
            f"next: {change_folder} && pip install .",
            f"      cxrbench plugins check {self.example}",
            f"      {self.command}",
        ]

    @property
    def substitutions(self) -> Mapping[str, str]:
        """Values for the placeholders of the templates."""
        article = "an" if self.kind[0] in "aeio" else "a"
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
    """Write a package to a new folder in `folder`; return its files.

    Raises:
        ConfigError: the name is invalid or taken, or the folder exists.
    """
    _check_name_is_free(draft, host)
    target = folder / draft.distribution
    _refuse_to_overwrite(target)
    contents = {
        "pyproject.toml": _filled_template("pyproject.toml", draft),
        "README.md": _filled_template("README.md", draft),
        "LICENSE": _filled_template(f"LICENSE-{draft.license}", draft),
        f"{draft.module}.py": _filled_template(f"{draft.kind}.py", draft),
        f"test_{draft.module}.py": _filled_template(f"test_{TEST_OF.get(draft.kind, 'module')}.py", draft),
        **(_sample_files() if draft.kind == "dataset" else {}),
    }
    return [_write_file(target / name, text) for name, text in contents.items()]


def write_one_file(draft: Draft, folder: Path, host: Host) -> list[Path]:
    """Write a single file for ``--plugin FILE``; return its path.

    Raises:
        ConfigError: the name is invalid or taken, or the file exists.
    """
    _check_name_is_free(draft, host)
    target = folder / f"{draft.module}.py"
    _refuse_to_overwrite(target)
    return [_write_file(target, _filled_template(f"{draft.kind}.py", draft))]


def _check_name_is_free(draft: Draft, host: Host) -> None:
    if not KEBAB_CASE.fullmatch(draft.name):
        raise ConfigError(f"{draft.name!r} is not kebab-case: use a-z, 0-9 and single hyphens, such as my-{draft.kind}")
    if draft.name in RESERVED_NAMES:
        raise ConfigError(f"{draft.name!r} is reserved: on the command line it means every {draft.kind}. Choose another name")
    declared = [one for kind in KINDS if kind_name(kind) == draft.kind for one in host.declarations(kind)]
    for declaration in declared:
        if declaration.spec.name == draft.name:
            owner = declaration.plugin.distribution or declaration.plugin.name
            raise ConfigError(f"{draft.kind} {draft.name!r} is taken: {owner} declares it. Choose another name")
    if draft.kind == "observer" and any(draft.distribution in {one.name, one.distribution} for one in host.plugins):
        raise ConfigError(f"the plugin {draft.distribution} is already installed: choose another name than {draft.name!r}")
    if importlib.util.find_spec(draft.module):
        raise ConfigError(f"the module {draft.module} is already installed: choose another name than {draft.name!r}")


def _refuse_to_overwrite(target: Path) -> None:
    if target.exists():
        raise ConfigError(f"{target} exists: remove it, or choose another name or --out folder")


def _filled_template(template: str, draft: Draft) -> str:
    text = (files("cxrbench.cli.scaffold") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(draft.substitutions)


def _sample_files() -> dict[str, str]:
    """Return four tiny images as PGM text, by file name."""
    text = (files("cxrbench.cli.scaffold") / "templates" / "sample.pgm.txt").read_text(encoding="utf-8")
    rows = {
        name: [[str((step * (8 * y + x)) % 256) for x in range(8)] for y in range(8)] for name, step in SAMPLE_IMAGES.items()
    }
    pixels = {name: "\n".join(" ".join(row) for row in grid) for name, grid in rows.items()}
    return {f"sample/{name}.pgm": Template(text).substitute(pixels=grid) for name, grid in pixels.items()}


def _write_file(path: Path, text: str) -> Path:
    try:
        write_text(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}. Choose another folder with --out") from None
    return path
