"""`cxrbench clean`: remove stale files of killed runs."""

from __future__ import annotations

from typing import Annotated

import typer

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing")]


def clean(context: typer.Context, dry_run: DryRun = False) -> None:
    """Remove stale files of killed runs. Results, studies and the cache stay.

    Files that a running process uses stay, too. To remove decoded images and features, run: cxrbench cache clear.
    """
    from cxrbench.cli import console
    from cxrbench.cli.doctor.stale_files import find_stale_files, remove_stale_file
    from cxrbench.config.settings import read_settings

    stale_files = find_stale_files(read_settings(context.obj).out)
    for stale_file in stale_files:
        if not dry_run:
            remove_stale_file(stale_file)
        console.print_text(f"{stale_file.description}: {stale_file.path}\n")
    size = sum(stale_file.size for stale_file in stale_files) / 1e6
    console.print_message(f"{'would remove' if dry_run else 'removed'} {len(stale_files)} files and folders, {size:.1f} MB")
