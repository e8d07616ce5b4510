"""Every setting of a run, from the class that declares it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from cxrbench.config.option import PANELS, options_of, value_type
from cxrbench.config.protocol import Protocol
from cxrbench.config.settings import Settings
from docs_reference.markdown import cell, code, page, table

if TYPE_CHECKING:
    from cxrbench.config.option import Option

INTRODUCTION = """\
Write a setting in any of four places. If it is in several, the flag counts first, then the environment, the file, a preset, and
last the default.

| where | `trials` | a list |
|---|---|---|
| flag of `cxrbench run` | `--trials 50` | `--backbone texture --backbone resnet50` |
| environment | `CXRBENCH_TRIALS=50` | `CXRBENCH_BACKBONE="texture resnet50"` |
| `cxrbench.toml` in the working folder, or `--config FILE` | `trials = 50` | `backbone = ["texture", "resnet50"]` |
| Python | `cxrbench.run(trials=50)` | `cxrbench.run(backbone=["texture", "resnet50"])` |

A name of several words is `--image-size`, `CXRBENCH_IMAGE_SIZE`, `image-size = 224` and `image_size=224` in these places. A
flag without a value has an opposite: `--no-controls`.

A setting in **bold** belongs to the protocol: another value is another board, with results of its own.
"""
OTHER_VARIABLES = """\
## Other environment variables

| variable | sets |
|---|---|
| `CXRBENCH_HOME` | folder of decoded images and features; default: your platform's cache folder |
| `CXRBENCH_SECRET_FILE` | secret for the pseudonyms of [credentialed data](../how-to/collections.md#credentialed-collections) |
| `KERAS_HOME` | folder of Keras' weights; default: `~/.keras` |
| `KERAS_BACKEND` | the backend of Keras; default: `tensorflow` |
| `MLFLOW_TRACKING_URI` | the [MLflow](../how-to/mlflow.md) server that is told of a run |
"""


def settings_page() -> str:
    """Return the page of all settings."""
    options = options_of(Settings)
    parts = []
    for panel in PANELS:
        rows = (_row(name, option) for name, option in options.items() if option.panel == panel)
        parts.append(f"## {panel}\n\n" + table(("setting", "flag and value", "default", "is"), rows))
    return page("Settings", "`cxrbench.config.settings`", INTRODUCTION, *parts, OTHER_VARIABLES)


def _row(name: str, option: Option) -> tuple[str, ...]:
    written = name.replace("_", "-")
    annotation = Settings.model_fields[name].annotation
    flag = f"--{written}" if value_type(annotation) is bool else f"--{written} {option.metavar or value_of(annotation)}"
    setting = code(written)
    shown = option.default or code(_written(_default(name)))
    return f"**{setting}**" if name in _protocol() else setting, code(flag), cell(shown), cell(option.help)


def _protocol() -> set[str]:
    """Return the settings that are part of a protocol: its fields, and what names its dataset."""
    return {*Protocol.model_fields, "data", "positive", "negative"}


def _default(name: str) -> Any:
    return Settings.model_fields[name].get_default(call_default_factory=True)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple) else str("" if value is None else value)


def value_of(annotation: Any) -> str:
    """Return what a user writes for a value of this type: its choices, or a placeholder."""
    kind = value_type(annotation)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) in {tuple, list}:
        return value_of(get_args(kind)[0])
    return {int: "N", float: "X", str: "TEXT"}.get(kind, "PATH")
