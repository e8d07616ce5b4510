"""`cxrbench plugins`: list installed plugins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxrbench.cli.options import AsJson, OneFilePlugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.plugin.host import Host, Plugin

plugins = typer.Typer(help="List installed plugins, check them, or create a new one.", no_args_is_help=True)
PLUGIN_HEADINGS = ("plugin", "version", "status", "kind", "name", "summary")


@plugins.command("list")
def list_plugins(
    plugin: OneFilePlugins = None,
    without: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Do not load this plugin, repeatable")] = None,
    as_json: AsJson = False,
) -> None:
    """List every plugin with its components, or with its error if it does not load."""
    from cxrbench.cli.console import print_json, print_table

    host = find_plugins(plugin or (), without or ())
    if as_json:
        print_json([_plugin_json(loaded) for loaded in host.plugins])
    else:
        print_table(PLUGIN_HEADINGS, [row for loaded in host.plugins for row in _plugin_rows(loaded)])


def find_plugins(files: Sequence[Path] = (), without: Sequence[str] = (), *, besides: Sequence[Path] = ()) -> Host:
    """Load the plugins that the flags name, or else the environment, and the one-file plugins of `besides`."""
    from cxrbench.plugin.host import load_host

    files = files or [Path(text) for text in _from_environment("PLUGIN")]
    return load_host([*files, *besides], [*(without or _from_environment("WITHOUT")), *_from_environment("BLOCK")])


def _from_environment(setting: str) -> list[str]:
    """Return a list setting as `cxrbench run` reads it; importing the settings would take longer than the listing."""
    return os.environ.get(f"CXRBENCH_{setting}", "").split()


def _status(plugin: Plugin) -> str:
    if plugin.blocked:
        return "blocked"
    state = f"problem: {plugin.problem}" if plugin.problem else "ok"
    return "; ".join([state, *(f"note: {note}" for note in plugin.notes)])


def _plugin_rows(plugin: Plugin) -> list[tuple[str, ...]]:
    from cxrbench.plugin.host import kind_name

    first_cells = (plugin.name, plugin.version, _status(plugin))
    declared = [(kind_name(type(spec)), spec.name, spec.summary) for spec in plugin.declares]
    if plugin.callbacks:
        declared.append(("observer", "", ", ".join(plugin.callbacks)))
    declared = declared or [("", "", "")]
    return [((first_cells if not index else ("", "", "")) + row) for index, row in enumerate(declared)]


def _plugin_json(plugin: Plugin) -> dict[str, Any]:
    from cxrbench.plugin.host import kind_name

    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": "blocked" if plugin.blocked else "problem" if plugin.problem else "ok",
        "problem": plugin.problem,
        "notes": list(plugin.notes),
        "hooks": list(plugin.hooks),
        "declares": [
            {"kind": kind_name(type(spec)), "name": spec.name, "summary": spec.summary, "requires": list(spec.requires)}
            for spec in plugin.declares
        ],
    }
