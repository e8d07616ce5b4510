"""`cxrbench cache`: show or clear the cache of decoded images and features."""

from __future__ import annotations

import typer

cache = typer.Typer(help="Show or clear the cache of decoded images and features.", no_args_is_help=True)


@cache.command()
def info() -> None:
    """Show the folder, limit and size of the cache, and what the kept models take."""
    from datetime import UTC, datetime

    from cxrbench.cli import console
    from cxrbench.config.settings import read_settings
    from cxrbench.leaderboard.store.folder import kept_models
    from cxrbench.storage.cache import CACHE_KINDS, GIGABYTE, cache_items
    from cxrbench.storage.files import check_writable, home

    check_writable(home(), "CXRBENCH_HOME")
    items, settings = cache_items(), read_settings({})
    sizes = [path.stat().st_size for path in kept_models(settings.out)]
    models = f"{len(sizes)} in {settings.out}, {sum(sizes) / GIGABYTE:.3f} GB; the limit does not count them"
    console.print_facts({"folder": home(), "limit": f"{settings.cache_gb:g} GB", "models": models})
    rows = []
    for kind in CACHE_KINDS:
        of_kind = [item for item in items if item.kind == kind]
        oldest = datetime.fromtimestamp(of_kind[0].used, UTC).astimezone().strftime("%Y-%m-%d %H:%M") if of_kind else ""
        size = f"{sum(item.size for item in of_kind) / GIGABYTE:.3f} GB"
        rows.append((kind, str(len(of_kind)), size, str(sum(item.in_use for item in of_kind)), oldest))
    console.print_table(("kind", "folders", "size", "in use", "least recent use"), rows)


@cache.command()
def clear() -> None:
    """Remove all images and features not in use.

    Folders that a running process uses are kept. The next run computes the others again.
    """
    from cxrbench.cli import console
    from cxrbench.storage.cache import GIGABYTE, cache_items, clear_cache
    from cxrbench.storage.files import check_writable, home

    check_writable(home(), "CXRBENCH_HOME")
    removed = clear_cache()
    console.print_text(f"removed {len(removed)} folders, {sum(item.size for item in removed) / GIGABYTE:.3f} GB\n")
    if kept := cache_items():
        console.print_message(f"kept {len(kept)} folders that a running process uses")
