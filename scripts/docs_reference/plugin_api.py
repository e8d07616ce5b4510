"""The plugin API and the Python API, from signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import cxrbench
from cxrbench import plugin, testing
from cxrbench.plugin import hooks
from docs_reference.markdown import cell, code, docstring, page, table

INTRODUCTION = f"""\
Everything here is imported from `cxrbench.plugin`. The version of the API is {plugin.API_VERSION}. It only grows: a plugin
that was written for 1.x runs on every later 1.x. [Write a plugin](../how-to/write-a-plugin.md) shows how the parts fit
together.
"""
PYTHON = """\
What a script or a notebook imports from `cxrbench`. [Figures and notebooks](../how-to/figures.md) has examples.
"""
HOOKS = """\
## Hooks

A module that implements one of these with `@hookimpl` is a plugin. `register_*` hooks return declarations. `on_*` hooks are
callbacks; name the arguments that you need.
"""
GROUPS = {
    "Declarations": ("Dataset", "Backbone", "Augmentation", "Imbalance", "Engine", "Shift"),
    "What factories take and return": (
        *("Images", "Record", "ClassNames", "Download", "Fold", "Balance", "CrossEntropy", "Focal", "ImageFunction"),
        *("Proposer", "Trial"),
    ),
    "Search spaces": ("Float", "Int", "Choice", "is_searched"),
    "Image files": ("looks_like_image", "is_named_like_image"),
    "Errors": (
        *("CxrbenchError", "ConfigError", "UnknownName", "DataError", "Unavailable", "PluginError", "MissingRequirement"),
        "missing_requirement",
    ),
}
ALIASES = {
    "API_VERSION": "the version of the API",
    "Condition": "name of another parameter, and its values for which the condition holds",
    "LicenceClass": "`undeclared`, `open`, `agreement` or `credentialed`",
    "Parameter": "`Float`, `Int` or `Choice`",
    "Space": "searched parameters by name",
    "Value": "`bool`, `int`, `float` or `str`",
    "hookimpl": "marks a function as the implementation of a hook",
}
PUBLIC = ("run", "load_board", "load_model", "Board", "Row", "Model", "Prediction")


def plugin_api_page() -> str:
    """Return the page of the plugin API."""
    names = {name for group in GROUPS.values() for name in group} | ALIASES.keys()
    assert names == set(plugin.__all__), f"not documented: {sorted(names ^ set(plugin.__all__))}"
    parts = [HOOKS, _hooks()]
    for title, group in GROUPS.items():
        parts += [f"## {title}", *(_described(name, getattr(plugin, name)) for name in group)]
    parts += ["## Other names", table(("name", "is"), ((code(name), cell(text)) for name, text in sorted(ALIASES.items())))]
    tools = ("parametrize_with_checks", "run_checks", "checks_for", "CheckResult")
    parts += ["## Tests: `cxrbench.testing`", *(_described(name, getattr(testing, name)) for name in tools)]
    return page("Plugin API", "the docstrings", INTRODUCTION, *parts)


def python_api_page() -> str:
    """Return the page of the Python API."""
    return page("Python API", "the docstrings", PYTHON, *(_described(name, getattr(cxrbench, name), 2) for name in PUBLIC))


def _hooks() -> str:
    rows = []
    for name, function in vars(hooks).items():
        if inspect.isfunction(function) and hasattr(function, f"{hooks.PROJECT}_spec"):
            rows.append((code(f"{name}{_signature(function)}"), cell(docstring(function)[0])))
    return table(("hook", "does"), rows)


def _described(name: str, thing: Any, level: int = 3) -> str:
    text, explained = docstring(thing)
    lines = [f"{'#' * level} {name}", text]
    if inspect.isclass(thing):
        lines += [_fields(thing, explained), *_methods(thing)]
    elif callable(thing) and not hasattr(thing, "__origin__"):
        lines.insert(1, f"```text\n{name}{_signature(thing)}\n```")
        lines.append(_arguments(explained))
    return "\n\n".join(filter(None, lines))


def _fields(thing: type, explained: dict[str, str]) -> str:
    if not dataclasses.is_dataclass(thing):
        return ""
    fields = {field.name: field for field in dataclasses.fields(thing) if field.init and not field.name.startswith("_")}
    inherited = {key: text for base in reversed(thing.__mro__) for key, text in docstring(base)[1].items()}
    texts = {**inherited, **explained}
    rows = (
        (code(name), code(_named(field.type)), cell(_default(field)), cell(texts.get(name, "")))
        for name, field in fields.items()
    )
    return table(("field", "type", "default", "is"), rows)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return code(repr(field.default))
    return "empty" if field.default_factory is not dataclasses.MISSING else ""


def _methods(thing: type) -> list[str]:
    """Return its public methods and properties as one table."""
    rows = []
    for name, member in vars(thing).items():
        is_property = isinstance(member, property)
        if name.startswith("_") or not (is_property or inspect.isfunction(member)) or not inspect.getdoc(member):
            continue
        written = name if is_property else f"{name}{_signature(member, without_self=True)}"
        rows.append((code(written), cell(docstring(member)[0].split("\n\n")[0])))
    return [table(("member", "does"), rows)] if rows else []


def _arguments(explained: dict[str, str]) -> str:
    return table(("argument", "is"), ((code(name), cell(text)) for name, text in explained.items()))


def _signature(function: Any, *, without_self: bool = False) -> str:
    signature = inspect.signature(function)
    kept = [one for one in signature.parameters.values() if not (without_self and one.name == "self")]
    shown = [_parameter(one) for one in kept]
    if (first := next((place for place, one in enumerate(kept) if one.kind is one.KEYWORD_ONLY), None)) is not None and not any(
        one.kind is one.VAR_POSITIONAL for one in kept
    ):
        shown.insert(first, "*")
    returned = "" if signature.return_annotation is signature.empty else f" -> {_named(signature.return_annotation)}"
    return f"({', '.join(shown)}){returned}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    annotation = "" if parameter.annotation is parameter.empty else f": {_named(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}{annotation}{default}"


def _named(annotation: Any) -> str:
    """Return an annotation as it is written in the source."""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
