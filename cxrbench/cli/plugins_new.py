"""`cxrbench plugins new`: write a plugin to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cxrbench.cli.plugins import find_plugins

KindName = Literal["backbone", "augmentation", "imbalance", "dataset", "engine"]
LicenseName = Literal["Apache-2.0", "MIT", "BSD-3-Clause"]


def new_plugin(
    name: Annotated[str, typer.Argument(help="What users will write, such as squeezenet; the package is cxrbench-NAME")],
    kind: Annotated[KindName, typer.Option(help="What the plugin brings")],
    one_file: Annotated[bool, typer.Option("--one-file", help="Write a single module for --plugin FILE")] = False,
    license_name: Annotated[LicenseName, typer.Option("--license", help="Of the package")] = "Apache-2.0",
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write it in")] = Path(),
) -> None:
    """Write a plugin that installs, is listed and passes the checks at once; then make it yours."""
    from cxrbench.cli.console import print_talk, print_text
    from cxrbench.cli.scaffold.draft import Draft, write_distribution, write_one_file

    draft, host = Draft(name=name, kind=kind, license=license_name), find_plugins()
    written = (write_one_file if one_file else write_distribution)(draft, out, host)
    print_text("".join(f"{path}\n" for path in written))
    for line in draft.next_steps(out, one_file):
        print_talk(line)
