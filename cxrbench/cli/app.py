"""Assemble the commands; turn an error into one message and an exit code."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from cxrbench.cli.cache import cache
from cxrbench.cli.clean import clean
from cxrbench.cli.compare import compare
from cxrbench.cli.data import data
from cxrbench.cli.doctor.command import doctor
from cxrbench.cli.ensemble import ensemble
from cxrbench.cli.evaluate import evaluate
from cxrbench.cli.explain import explain
from cxrbench.cli.export import export
from cxrbench.cli.figures import figures
from cxrbench.cli.leaderboard import leaderboard
from cxrbench.cli.plugins import plugins
from cxrbench.cli.plugins_check import check_plugin
from cxrbench.cli.plugins_new import new_plugin
from cxrbench.cli.plugins_show import show_plugin
from cxrbench.cli.predict import predict
from cxrbench.cli.reproduce import reproduce
from cxrbench.cli.run import run
from cxrbench.cli.settings_command import settings_command
from cxrbench.cli.show import show
from cxrbench.errors import CxrbenchError


def print_version(is_asked: bool) -> None:
    """Print the version and exit."""
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"cxrbench {version('cxrbench')}")
        raise typer.Exit


app = typer.Typer(
    name="cxrbench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version", callback=print_version)
    ] = False,
) -> None:
    """The fair, fast referee for chest X-ray classifiers."""


app.command(cls=settings_command())(run)
app.command(cls=settings_command("out"))(leaderboard)
app.command(cls=settings_command("out"))(figures)
app.command(cls=settings_command("out"))(show)
app.command(cls=settings_command("out"))(compare)
app.command(cls=settings_command("out"))(ensemble)
app.command(cls=settings_command("out", "plugin", "offline"))(predict)
app.command(cls=settings_command("out", "positive", "negative", "plugin", "offline"))(evaluate)
app.command(cls=settings_command("out", "plugin", "offline"))(export)
app.command(cls=settings_command("workers", "scheduler", "plugin", "offline"))(reproduce)
app.command(cls=settings_command("out", "plugin", "offline"))(explain)
app.command(cls=settings_command("out"))(clean)
app.command(cls=settings_command("out", "plugin", "scheduler"))(doctor)
plugins.command("check")(check_plugin)
plugins.command("show")(show_plugin)
plugins.command("new")(new_plugin)
app.add_typer(plugins, name="plugins")
app.add_typer(data, name="data")
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command line; exit with 0, 1 (some recipe failed), 2 (usage), 3 (data), 4 (nothing finished) or 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold characters that the terminal's encoding lacks
    try:
        app()
    except CxrbenchError as error:
        from cxrbench.cli.console import print_error

        print_error(str(error))
        sys.exit(error.exit_code)
