"""What an entry needs on this machine to run again, or a model to score: plugins, files, and permission to run code."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.config.local_files import LABEL, existing_file, find_labelled
from cxrbench.errors import ConfigError, UnknownName
from cxrbench.leaderboard.store.model_record import ModelRecord
from cxrbench.plugin.specs import Augmentation, Backbone, Engine, Imbalance
from cxrbench.storage.versions import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxrbench.leaderboard.store.entry import ComponentFacts, ComponentKind, Entry
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Spec

KINDS: Mapping[ComponentKind, type[Spec]] = {
    "backbone": Backbone,
    "augmentation": Augmentation,
    "imbalance": Imbalance,
    "engine": Engine,
}


def require_no_code(entry: Entry | ModelRecord, host: Host) -> None:
    """Refuse an entry that names code to run, unless the code is part of a package that the plugin requires.

    Raises:
        ConfigError: naming that code.
    """
    for kind, text in components_of(entry).items():
        component = parse_component(text)
        for declaration in host.declarations(KINDS[kind]):
            spec = declaration.spec
            packages = {name_of(requirement).replace("-", "_") for requirement in spec.requires}
            for option, value in component.options:
                foreign = option in spec.points_to and re.split(r"[.:]", str(value))[0] not in packages
                if spec.name == component.name and foreign:
                    raise ConfigError(f"{entry.name} names code to run: {value}. If you trust it, add --trust-code")


def require_plugins(entry: Entry | ModelRecord, host: Host) -> None:
    """Refuse an entry of a component that no plugin declares here.

    Raises:
        ConfigError: naming the package, its version and how to get it.
    """
    for kind, text in components_of(entry).items():
        name = parse_component(text).name
        try:
            host.find(KINDS[kind], name)
        except ConfigError as error:
            facts = entry.components.get(kind)
            remedy = _how_to_get(facts) if facts else "install the plugin that declares it"
            also = "" if isinstance(error, UnknownName) else f" ({error})"  # a plugin that cannot be loaded
            raise ConfigError(f"{entry.name} needs {kind} {name!r}: {remedy}{also}") from None


def with_files(entry: Entry | ModelRecord, files: Sequence[Path]) -> dict[ComponentKind, str]:
    """Return the components of an entry, with the paths of the files that their options name.

    Args:
        entry: whose components show a file by its name and a short digest.
        files: such files; others are looked for in the working folder.

    Raises:
        ConfigError: a file is missing, or one of this name has other bytes.
    """
    return {kind: _with_files(entry, text, files) for kind, text in components_of(entry).items()}


def components_of(entry: Entry | ModelRecord) -> dict[ComponentKind, str]:
    """Return the components of an entry by their kind; of a model, the backbone, which is all that it needs."""
    if isinstance(entry, ModelRecord):
        return {"backbone": entry.backbone}
    return {
        "backbone": entry.backbone,
        "augmentation": entry.augmentation,
        "imbalance": entry.imbalance,
        "engine": entry.protocol.engine,
    }


def _with_files(entry: Entry | ModelRecord | ModelRecord, text: str, files: Sequence[Path]) -> str:
    component = parse_component(text)
    labels = {name: label for name, value in component.options if (label := LABEL.fullmatch(str(value)))}
    found = {name: _find(entry, label[1], label[2], files) for name, label in labels.items()}
    return str(component.with_options(found))


def _find(entry: Entry | ModelRecord, name: str, digits: str, files: Sequence[Path]) -> str:
    """Return the path of the file whose SHA-256 begins with these digits, or a bare word as the entry has it."""
    if missing := [file for file in files if not file.exists()]:
        raise ConfigError(f"--file {missing[0]}: no such file or folder")
    if found := find_labelled(name, digits, [file.absolute() for file in files]):
        return found.given
    problem = "has other bytes here" if files or existing_file(name, name) else "is not in the working folder"
    raise ConfigError(
        f"{entry.name} needs the file {name}, whose SHA-256 begins with {digits}; it {problem}. Give its path with --file"
    )


def _how_to_get(facts: ComponentFacts) -> str:
    if facts.version:
        package = shlex.quote(f"{facts.package}=={facts.version}")  # an entry may be another person's
        return f"package {facts.package} {facts.version} declares it. Install it: pip install {package}"
    return f"the one-file plugin {facts.package} declares it. Give its path with --plugin"
