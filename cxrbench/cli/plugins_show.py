"""`cxrbench plugins show`: list the options of a component."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxrbench.cli.options import AsJson, OneFilePlugins
from cxrbench.cli.plugins import find_plugins
from cxrbench.cli.scaffold.choices import KindName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.plugin.host import Declaration, Host, Plugin
    from cxrbench.plugin.specs import Parameter, Spec

OPTION_HEADINGS = ("option", "type", "default", "used by")
REQUIRED = "(required)"


def show_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a component or of a plugin")],
    kind: Annotated[KindName | None, typer.Option(help="The kind, if several kinds have the name")] = None,
    plugin: OneFilePlugins = None,
    as_json: AsJson = False,
) -> None:
    """List the options of a component with their types and defaults, its requirements, and the plugin that it is from."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from cxrbench.cli.console import print_json

    described = _described(name, find_plugins(plugin or ()), kind or "")
    if as_json:
        print_json(described)
    else:
        for facts in described:
            _print(facts)


def _described(name: str, host: Host, kind: str) -> list[dict[str, Any]]:
    """Return the facts of every component of the name, or of all components and callbacks of the plugin of the name."""
    from cxrbench.plugin.host import KINDS, Declaration, kind_name

    kinds = [one for one in KINDS if kind in {"", kind_name(one)}]
    everything = [declaration for one in kinds for declaration in host.declarations(one)]
    if named := [declaration for declaration in everything if declaration.spec.name == name]:
        return [_component(host.find(type(one.spec), name) if len(named) > 1 else one) for one in named]
    found = []
    for plugin in (one for one in host.plugins if name in {one.name, one.distribution}):
        declared = [Declaration(kind=kind_name(type(spec)), spec=spec, plugin=plugin) for spec in plugin.declares]
        found += [_component(one) for one in declared if kind in {"", one.kind}]
        found += [_observer(plugin)] if kind in {"", "observer"} and plugin.callbacks else []
    if not found:
        raise host.unknown(kind or "component or plugin", name, [*(one.spec.name for one in everything), *_names(host)])
    return found


def _names(host: Host) -> list[str]:
    return [plugin.name for plugin in host.plugins]


def _observer(plugin: Plugin) -> dict[str, Any]:
    return {"kind": "observer", "name": plugin.name, "summary": "", **_origin(plugin), "hooks": list(plugin.callbacks)}


def _origin(plugin: Plugin) -> dict[str, Any]:
    return {"plugin": plugin.name, "distribution": plugin.distribution, "version": plugin.version}


def _component(declaration: Declaration[Spec]) -> dict[str, Any]:
    from cxrbench.storage.versions import name_of, versions_of

    spec = declaration.spec
    options, problem = _options(declaration)
    return {
        "kind": declaration.kind,
        "name": spec.name,
        "summary": spec.summary,
        **_origin(declaration.plugin),
        "factory": _factory(spec.factory, declaration.plugin),
        "requires": {text: next(iter(versions_of(name_of(text)).values()), "") for text in spec.requires},
        "options": options,
        "problem": problem,
        "fixed": dict(spec.fixed),
        "given": sorted(spec.FILLED | spec.ADDED),
        "space": _space(spec),
        **{name: getattr(spec, name) for name in ("control", "needs_features", "layout") if hasattr(spec, name)},
    }


def _factory(text: str, plugin: Plugin) -> str:
    """Return the import string of a factory; of a single file, with its name in place of the module's."""
    from cxrbench.plugin.references import module_name_of

    return text.replace(module_name_of(plugin.file), plugin.file.name) if plugin.file else text


def _options(declaration: Declaration[Spec]) -> tuple[list[dict[str, Any]] | None, str]:
    """Return the options, or None and the reason: the module of the factory cannot be imported."""
    from cxrbench.config.component import Component
    from cxrbench.config.component_options import component_options
    from cxrbench.config.part import bind

    part = bind(Component(name=declaration.spec.name), declaration)
    try:
        return [asdict(option) for option in component_options(part, part.resolve(declaration.spec.factory))], ""
    except (Exception, SystemExit) as error:  # whatever the module of a plugin raises
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


def _space(spec: Spec) -> dict[str, str] | str:
    """Return the searched parameters in words; of a backbone the function that returns them, which needs the image size."""
    space = getattr(spec, "space", "")
    return space if isinstance(space, str) else {name: _in_words(parameter) for name, parameter in space.items()}


def _in_words(parameter: Parameter) -> str:
    from cxrbench.plugin.specs import Choice

    if isinstance(parameter, Choice):
        text = "|".join(map(str, parameter.options))
    else:
        step = f" in steps of {parameter.step}" if parameter.step and not parameter.log else ""
        text = f"{parameter.low}..{parameter.high}{' on a log scale' if parameter.log else step}"
    conditions = [f"{name} is {' or '.join(map(str, values))}" for name, values in parameter.when]
    return f"{text} if {' and '.join(conditions)}" if conditions else text


def _print(facts: Mapping[str, Any]) -> None:
    from cxrbench.cli.console import print_section, print_table

    print_section(f"{facts['kind']} {facts['name']}", _lines(facts))
    if facts.get("options"):
        print_table(OPTION_HEADINGS, [_row(option) for option in facts["options"]])


def _row(option: Mapping[str, Any]) -> tuple[str, ...]:
    from cxrbench.config.component_options import ANY_OPTION

    if option["name"] == ANY_OPTION:
        return "any other", "", "", option["of"]
    default = REQUIRED if option["default"] is None else _text(option["default"])
    return option["name"], option["type"], default, option["of"]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Return the lines about a component, without those that say nothing."""
    fixed = ", ".join(f"{name}={_text(value)}" for name, value in facts.get("fixed", {}).items())
    space = facts.get("space") or {}
    searched = f"returned by {space}" if isinstance(space, str) else "; ".join(f"{name}: {it}" for name, it in space.items())
    needs = [
        f"{text} ({version})" if version else f"{text} (not installed: pip install '{text}')"
        for text, version in facts.get("requires", {}).items()
    ]
    version = f" {facts['version']}" if facts["version"] else ""
    lines = {
        "summary": facts["summary"],
        "plugin": f"{facts['plugin']}{version}",
        "hooks": ", ".join(facts.get("hooks", ())),
        "factory": facts.get("factory", ""),
        "requires": ", ".join(needs),
        "control": "it must not do well" if facts.get("control") else "",
        "source": facts.get("layout", ""),
        "fixed": fixed,
        "searched": searched,
        "options": f"unknown: {facts['problem']}" if facts.get("problem") else "none" if facts.get("options") == [] else "",
    }
    return [(name, text) for name, text in lines.items() if text]
