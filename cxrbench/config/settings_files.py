"""Settings that are read from TOML: the user's file and the built-in presets."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

CONFIG_FILE = Path("cxrbench.toml")
LISTS_OF_TEXT = (tuple[str, ...], tuple[Path, ...])


def read_file(file: Path | None) -> dict[str, Any]:
    """Return the settings of a TOML file; of ``cxrbench.toml`` in the working folder, if it exists, for None.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = file or CONFIG_FILE
    if file is None and not path.is_file():
        return {}
    try:
        return _settings_in(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}. Save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def read_preset(name: str) -> dict[str, Any]:
    """Return the settings of a built-in preset, none for ""; raise UnknownName for an unknown one."""
    if not name:
        return {}
    folder = resources.files("cxrbench.config") / "presets"
    known = {file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")}
    if name not in known:
        raise unknown_name("preset", name, known)
    return _settings_in((folder / f"{name}.toml").read_text(encoding="utf-8"), f"preset {name}")


def as_lists(settings: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a file with a single text as a list of one, where the setting is a list of texts."""
    lists = {name for name, field in settings.model_fields.items() if field.annotation in LISTS_OF_TEXT}
    return {name: [value] if name in lists and isinstance(value, str) else value for name, value in values.items()}


def _settings_in(text: str, where: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in tomllib.loads(text).items():
        name = key.replace("-", "_")
        if name in settings:
            raise ConfigError(f"{where}: {name.replace('_', '-')} and {name} are the same setting: keep one of the two")
        settings[name] = value
    return settings
