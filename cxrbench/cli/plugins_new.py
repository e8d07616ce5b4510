"""`cxrbench plugins new`: create a new plugin from a template."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrbench.cli.plugins import find_plugins
from cxrbench.cli.scaffold.choices import KindName, LicenseName


def new_plugin(
    name: Annotated[str, typer.Argument(help="The name, such as squeezenet; the package is named cxrbench-NAME")],
    kind: Annotated[KindName, typer.Option(help="What the plugin brings")],
    one_file: Annotated[bool, typer.Option("--one-file", help="Write a single file, for use with --plugin FILE")] = False,
    license_name: Annotated[LicenseName, typer.Option("--license", help="The licence of the package")] = "Apache-2.0",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write to")] = Path(),
) -> None:
    """Create a plugin that installs and passes all checks, as a starting point for your own."""
    from cxrbench.cli.console import print_message, print_text
    from cxrbench.cli.scaffold.draft import Draft, write_distribution, write_one_file

    draft, host = Draft(name=name, kind=kind, license=license_name), find_plugins()
    written = (write_one_file if one_file else write_distribution)(draft, out, host)
    print_text("".join(f"{path}\n" for path in written))
    for line in draft.next_steps(out, one_file):
        print_message(line)
