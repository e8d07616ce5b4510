"""Commands whose options are settings. The options come from the fields of `Settings`, when they are needed."""

from __future__ import annotations

from functools import cache
from inspect import Parameter, Signature
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

from cxrbench.errors import MissingRequirement

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from cxrbench.config.option import Option


def settings_command(*names: str) -> type[TyperCommand]:
    """Return a class of commands that have the options of these settings, or of all settings if none is named.

    The settings that the user gave on the command line are the `obj` of the command's context, by name. Importing `Settings`
    takes longer than the whole help text of the program: this is why the options are not built with the program.
    """

    class SettingsCommand(TyperCommand):
        def get_params(self, ctx: Any) -> Any:
            return [*settings_options(names), *super().get_params(ctx)]

        def invoke(self, ctx: Any) -> Any:
            values = {option.name: ctx.params.pop(option.name) for option in settings_options(names)}
            ctx.obj = {name: value for name, value in values.items() if ctx.get_parameter_source(name).name == "COMMANDLINE"}
            return super().invoke(ctx)

    return SettingsCommand


@cache
def settings_options(names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the options of these settings, or of all settings if none is named, as typer builds them."""
    try:
        from cxrbench.config.option import options_of
        from cxrbench.config.settings import Settings
    except ImportError as error:
        remedy = "Run: pip install --force-reinstall cxrbench"
        raise MissingRequirement(f"cannot import what cxrbench needs: {error}. {remedy}") from None
    shown = {name: option for name, option in options_of(Settings).items() if not names or name in names}

    def declare(**_: Any) -> None: ...

    parameters = [_parameter(name, option, Settings.model_fields[name]) for name, option in shown.items()]
    vars(declare)["__signature__"] = Signature(parameters)
    app = typer.Typer(add_completion=False)
    app.command()(declare)
    return tuple(typer.main.get_command(app).params)


def _parameter(name: str, option: Option, field: FieldInfo) -> Parameter:
    from cxrbench.config.option import value_type

    kind, default = value_type(field.annotation), field.get_default(call_default_factory=True)
    if get_origin(kind) is tuple:
        kind, default = GenericAlias(list, get_args(kind)[:1]), list(default)
    declared = typer.Option(
        help=option.help, metavar=option.metavar or None, rich_help_panel=option.panel, show_default=option.default or True
    )
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind | None if default is None else kind, declared],
    )
