"""Find the file of the entry that a person means: by path, recipe, file name or rank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.config.recipe import name_in_table, stem_of
from cxrbench.errors import ConfigError, CxrbenchError, unknown_name
from cxrbench.leaderboard.board import read_boards
from cxrbench.leaderboard.store.entry_files import read_entry

if TYPE_CHECKING:
    from collections.abc import Sequence


def find_entry(text: str, out: Path) -> Path:
    """Return the file of an entry.

    Args:
        text: its path; or a recipe, the name of an entry's file or a rank, which are looked for below `out`.
        out: where leaderboards were written.

    Raises:
        ConfigError: there is no such entry, or more than one.
    """
    if Path(text).is_file():
        return Path(text)
    if text.endswith(".json"):
        raise ConfigError(f"{text}: there is no such file; entries lie in {out / 'PROTOCOL' / 'entries'}")
    paths = sorted(out.glob("*/entries/*.json"))
    if not paths:
        raise ConfigError(f"--out {out}: no entries here; make some with: cxrbench run --out {out}")
    return _only(text, _of_rank(int(text), out) if text.isdecimal() else _of_name(name_in_table(text), paths))


def _of_name(name: str, paths: Sequence[Path]) -> list[Path]:
    if of_file := [path for path in paths if path.stem == name]:
        return of_file
    recipes = {path: _recipe_in(path) for path in paths}
    if name not in recipes.values():
        raise unknown_name("entry", name, {recipe for recipe in recipes.values() if recipe})
    return [path for path, recipe in recipes.items() if recipe == name]


def _of_rank(rank: int, out: Path) -> list[Path]:
    found, ranks = list[Path](), set[int]()
    for board in read_boards(out):
        rows = {row["recipe"]: row["rank"] for row in board.rows() if row["rank"]}
        ranks |= set(rows.values())
        entries = out / board.name / "entries"
        found += [entries / f"{stem_of(recipe)}.json" for recipe, its_rank in rows.items() if its_rank == rank]
    if not found:
        raise ConfigError(f"no entry below {out} has rank {rank}: there are {', '.join(map(str, sorted(ranks))) or 'none'}")
    return found


def _only(text: str, found: Sequence[Path]) -> Path:
    if len(found) > 1:
        listed = "".join(f"\n  {path}" for path in found)
        raise ConfigError(f"{text} is more than one entry; say which by its path:{listed}")
    return found[0]


def _recipe_in(path: Path) -> str:
    """Return the recipe of an entry; empty if it cannot be read, which is a matter of whoever asks for it."""
    try:
        return read_entry(path).recipe
    except CxrbenchError:
        return ""
