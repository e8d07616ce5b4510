"""`cxrbench doctor`: what is well on this machine and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cxrbench.errors import MissingRequirement

ILL = 1
HEADINGS = ("verdict", "what", "found", "what to do")


def doctor(
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where leaderboards would be written [leaderboard]", show_default=False)
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A one-file plugin, repeatable")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
) -> None:
    """Look at versions, cores, memory, disks, folders, plugins, weights and GPUs, and say what to do.

    Exits with 1 if something will keep runs from working.
    """
    from dataclasses import asdict

    from cxrbench.cli import console

    try:
        from cxrbench.cli.doctor.examination import diagnose
    except ImportError as error:
        raise MissingRequirement(f"what cxrbench itself needs cannot be imported: {error}: pip install cxrbench anew") from None
    found = list(diagnose({name: value for name, value in (("out", out), ("plugin", plugin)) if value}))
    if as_json:
        console.print_json([asdict(one) for one in found])
    else:
        console.print_table(HEADINGS, [(one.verdict, one.area, one.found, one.remedy) for one in found])
    problems, warnings = (sum(one.verdict == verdict for one in found) for verdict in ("problem", "warn"))
    console.print_talk(f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    if problems:
        raise typer.Exit(ILL)
