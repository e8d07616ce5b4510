"""`cxrbench cache`: what decoded images and features take on disk, and how to be rid of them."""

from __future__ import annotations

import typer

cache = typer.Typer(help="See and clear_cache what is kept on disk.", no_args_is_help=True)


@cache.command()
def info() -> None:
    """Show where decoded images and features lie, how much they take, and whether a run uses them."""
    from datetime import UTC, datetime

    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.storage.cache import CACHE_KINDS, GIGABYTE, cache_items
    from cxrbench.storage.files import check_writable, home

    check_writable(home(), "CXRBENCH_HOME")
    found = cache_items()
    console.print_facts({"folder": home(), "limit": f"{read_settings({}).cache_gb:g} GB"})
    rows = []
    for kind in CACHE_KINDS:
        of_kind = [item for item in found if item.kind == kind]
        oldest = datetime.fromtimestamp(of_kind[0].used, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if of_kind else ""
        size = f"{sum(item.size for item in of_kind) / GIGABYTE:.3f} GB"
        rows.append((kind, str(len(of_kind)), size, str(sum(item.in_use for item in of_kind)), oldest))
    console.print_table(("kind", "folders", "size", "in use", "longest unused since"), rows)


@cache.command()
def clear() -> None:
    """Remove decoded images and features that no running process uses; the next run makes them again."""
    from cxrbench.cli import console
    from cxrbench.storage.cache import GIGABYTE, cache_items, clear_cache
    from cxrbench.storage.files import check_writable, home

    check_writable(home(), "CXRBENCH_HOME")
    gone = clear_cache()
    console.print_text(f"removed {len(gone)} folders, {sum(item.size for item in gone) / GIGABYTE:.3f} GB\n")
    if kept := cache_items():
        console.print_talk(f"{len(kept)} folders are in use by a running process and were kept")
