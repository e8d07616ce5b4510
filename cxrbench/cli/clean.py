"""`cxrbench clean`: remove what killed runs have left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where leaderboards were written [leaderboard]", show_default=False)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove_stale_file nothing")]


def clean(out: Out = None, dry_run: DryRun = False) -> None:
    """Remove what killed runs have left behind; results, studies and the cache stay.

    What a run that still goes on uses stays, too. To be rid of decoded images and features: cxrbench cache clear.
    """
    from cxrbench.cli import console
    from cxrbench.cli.doctor.stale_files import find_stale_files, remove_stale_file
    from cxrbench.config.settings import read_settings

    found = find_stale_files(read_settings({"out": out}).out)
    for leftover in found:
        if not dry_run:
            remove_stale_file(leftover)
        console.print_text(f"{leftover.what}: {leftover.path}\n")
    size = sum(leftover.size for leftover in found) / 1e6
    console.print_talk(f"{'to remove' if dry_run else 'removed'}: {len(found)}, {size:.1f} MB")
