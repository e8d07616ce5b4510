"""Every command with its arguments and options, from the program itself."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from cxrbench.cli.app import app
from cxrbench.config.settings import Settings
from docs_reference.markdown import cell, code, page, table
from docs_reference.settings import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SETTINGS_OF_A_RUN = "Every setting is an option of this command, too: [Settings](settings.md) lists them."
INTRODUCTION = """\
`cxrbench COMMAND --help` prints the same in a terminal. `ENTRY` is a row: its rank, its recipe as the table shows it, or the
JSON file of its entry. A `C` is a component: `name` or `name:key=value,key=value`. See also the [exit codes](exit-codes.md).
"""


def commands_page() -> str:
    """Return the page of all commands."""
    parts = [_described(path, command) for path, command in all_commands()]
    listed = table(("command", "does"), ((f"[`{path}`](#{_anchor(path)})", _summary(it)) for path, it in all_commands()))
    return page("Commands", "the program", INTRODUCTION, listed, *parts)


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with what is written to call it."""
    yield from _below("cxrbench", typer.main.get_command(app))


def options_of_command(command: Any) -> list[Any]:
    """Return its arguments and options, without ``--help``."""
    context = command.make_context(command.name, [], resilient_parsing=True)
    return [one for one in command.get_params(context) if one.name != "help"]


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from _below(f"{path} {name}", below)


def _described(path: str, command: Any) -> str:
    parameters, types = options_of_command(command), _types(command)
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = [one for one in parameters if one.param_type_name == "option"]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *(_placeholder(one) for one in arguments)])
    lines = [f"## {path}", " ".join((command.help or "").split("\f")[0].split()), f"    {usage}"]
    lines.append(table(("argument", "is"), ((code(_placeholder(one)), cell(one.help or "")) for one in arguments)))
    if path == "cxrbench run":
        options = [one for one in options if one.name not in Settings.model_fields]
        lines.append(SETTINGS_OF_A_RUN)
    lines.append(table(("option", "value", "default", "does"), (_option(one, types) for one in options)))
    return "\n\n".join(filter(None, lines))


def _option(option: Any, types: Mapping[str, Any]) -> tuple[str, ...]:
    value = "" if option.is_flag else option.metavar or value_of(types[option.name])
    names = " ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    return names, code(value), code(_default(option)), cell(option.help or "")


def _types(command: Any) -> dict[str, Any]:
    """Return the type of each option: of a setting, or of an argument of the function that is the command."""
    settings = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {**settings, **get_type_hints(inspect.unwrap(command.callback))}


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    default = option.default
    if option.is_flag or default is None or callable(default) or default in ((), [], ""):
        return ""
    return ", ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)


def _placeholder(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]")
    named = f"{name}..." if argument.nargs != 1 and not name.endswith("...") else name
    return named if argument.required else f"[{named}]"


def _summary(command: Any) -> str:
    return cell((command.help or "").split("\n\n")[0]).rstrip(".")


def _anchor(path: str) -> str:
    return path.replace(" ", "-")
