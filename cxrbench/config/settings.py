"""What a run is asked to do: flags, environment, TOML file, preset and defaults."""

from __future__ import annotations

import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from cxrbench.config.values import (
    EXTERNAL_NAME,
    Metric,
    OpenShare,
    Precision,
    Pruning,
    Resize,
    SplitName,
    ThresholdPolicy,
)
from cxrbench.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_PREFIX = "CXRBENCH_"
LEAST_MEMORY = 10**9
CONFIG_FILE = Path("cxrbench.toml")


def _named(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse text that is not NAME=PATH, names that cannot be folder names, and duplicate names."""
    names = [text.partition("=")[0] for text in texts]
    for text, name in zip(texts, names, strict=True):
        if not EXTERNAL_NAME.fullmatch(name) or not text.partition("=")[2]:
            raise ValueError(f"{text!r} must be NAME=PATH, with a name of letters, digits and hyphens")
        if names.count(name) > 1:
            raise ValueError(f"duplicate name {name!r}")
    return texts


def _enough_memory(size: ByteSize) -> ByteSize:
    if size < LEAST_MEMORY:
        raise ValueError("must be at least 1GB, because TensorFlow needs half of it; write for example 4GB or 4GiB")
    return size


def _words(value: Any) -> Any:
    """Split the text of an environment variable at white space."""
    return value.split() if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Thresholds = Annotated[
    tuple[OpenShare, ...], NoDecode, BeforeValidator(_words), AfterValidator(lambda found: tuple(sorted(set(found))))
]
Named = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words), AfterValidator(_named)]
MemorySize = Annotated[ByteSize, AfterValidator(_enough_memory)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_words)]


def read_preset(name: str) -> dict[str, Any]:
    """Return the settings of a built-in preset, none for ""; raise UnknownName for an unknown one."""
    if not name:
        return {}
    folder = resources.files("cxrbench.config") / "presets"
    known = {file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")}
    if name not in known:
        raise unknown_name("preset", name, known)
    return _settings_in((folder / f"{name}.toml").read_text(encoding="utf-8"))


def _workers() -> int:
    """Return the number of cores this process may use, at most 8, because every worker loads TensorFlow."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Settings(BaseSettings):
    """The settings of a run: flags, else ``CXRBENCH_*``, else ``cxrbench.toml``, else a preset, else these defaults."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    preset: str = ""
    data: str = "phantom"
    external: Named = ()
    split: SplitName | None = None
    folds: int = Field(default=1, ge=1, le=20)
    allow_leak: bool = False
    backbone: Names = ()
    augmentation: Names = ("none", "gentle")
    imbalance: Names = ("none", "class-weights", "smote")
    controls: bool = True
    engine: str = "optuna"
    trials: int = Field(default=50, ge=1)
    metric: Metric = "auc"
    threshold: ThresholdPolicy = "max-f1"
    also_at: Thresholds = ()
    prevalence: OpenShare = 0.1
    image_size: int = Field(default=224, ge=32, le=1024)
    resize: Resize = "stretch"
    precision: Precision = "float32"
    epochs: int = Field(default=10, ge=1)
    batch_size: int = Field(default=64, ge=1)
    patience: int = Field(default=3, ge=1)
    pruning: Pruning = "none"
    seed: int = Field(default=0, ge=0, lt=2**31)
    seeds: int = Field(default=1, ge=1, le=100)
    workers: int = Field(default_factory=_workers, ge=0, le=256)
    max_failures: int = Field(default=5, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    max_memory: MemorySize | None = None
    cache_gb: float = Field(default=50.0, gt=0)
    out: Folder = Path("leaderboard")
    storage: SecretStr | None = None
    fresh: bool = False
    plugin: Paths = ()
    without: Names = ()
    block: Names = ()
    download: bool = False
    offline: bool = False
    strict_data: bool = False

    @property
    def blocked(self) -> tuple[str, ...]:
        """The plugins that must not be imported, from both settings for it."""
        return (*self.without, *self.block)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources in order of priority; the TOML file arrives as the init argument `file_`."""
        assert isinstance(init_settings, InitSettingsSource)
        file = InitSettingsSource(settings_cls, init_kwargs=init_settings.init_kwargs.pop("file_", {}))
        chosen = (source().get("preset") for source in (init_settings, env_settings, file))
        preset = read_preset(str(next(filter(None, chosen), "")))
        return init_settings, env_settings, file, InitSettingsSource(settings_cls, init_kwargs=preset)


DEFAULT_BACKBONES = (
    "resnet50",
    "densenet121",
    "inceptionv3",
    "vgg16",
    "efficientnetb0",
    "mobilenet",
    "texture",
    "random-convnet",
)
"""The backbones of the default grid; those whose weights are not on the machine are skipped."""


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """Return the settings from flags that are not None, else the environment, else the file, else the defaults.

    Args:
        flags: setting names to values, as given on the command line or to `cxrbench.run`.
        file: a TOML file; None for ``cxrbench.toml`` in the working folder, if it exists.

    Raises:
        ConfigError: naming the setting, the value and what is expected.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        arguments: dict[str, Any] = {**given, "file_": _read_file(file)}
        return Settings(**arguments)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem) for problem in error.errors())) from None


def _read_file(file: Path | None) -> dict[str, Any]:
    path = file or CONFIG_FILE
    if file is None and not path.is_file():
        return {}
    try:
        return _settings_in(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def _settings_in(text: str) -> dict[str, Any]:
    content = tomllib.loads(text)
    return {key.replace("-", "_"): [value] if _needs_list(key, value) else value for key, value in content.items()}


def _needs_list(key: str, value: Any) -> bool:
    return isinstance(value, str) and key in {
        "backbone",
        "augmentation",
        "imbalance",
        "plugin",
        "without",
        "block",
        "external",
    }


def _explain(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"]).split(".", maxsplit=1)[0].replace("_", "-")
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name!r}; cxrbench run --help lists them"
    reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"--{name} {problem['input']}: {reason}"
