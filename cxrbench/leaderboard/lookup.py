"""Find an entry, and its predictions, by path, recipe, file name or rank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cxrbench.config.recipe import name_in_table, stem_of
from cxrbench.errors import ConfigError, CxrbenchError, unknown_name
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.leaderboard.board import read_board, read_boards
from cxrbench.leaderboard.store.entry_files import read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.board import Board
    from cxrbench.leaderboard.rows import Row


def find_entry(text: str, out: Path, say: Callable[[str], None] = lambda line: None) -> Path:
    """Return the file of an entry.

    Args:
        text: the path of the file; or a recipe or a file stem, which are searched below `out`; or a rank on the board there
            that was written last.
        out: folder of the leaderboards.
        say: hears which board and which row is meant by a rank, where there are several.

    Raises:
        ConfigError: there is no such entry, or there are several.
    """
    if Path(text).is_file():
        return Path(text)
    if text.endswith(".json"):
        raise ConfigError(f"{text}: file not found. Entries are in {out / 'PROTOCOL' / 'entries'}")
    paths = sorted(out.glob("*/entries/*.json"))
    if not paths:
        raise ConfigError(f"--out {out}: no entries here. Make some with: cxrbench run --out {out}")
    return _of_rank(int(text), out, say) if text.isdecimal() else _only(text, _of_name(name_in_table(text), paths))


def find_names(texts: Sequence[str], out: Path, say: Callable[[str], None]) -> tuple[list[Board], list[str]]:
    """Return the names in the table of entries, and the boards that may have them.

    Entries are given by recipe, by rank or by the path of their file. With a rank or a path, only its board may have them.

    Raises:
        ConfigError: as of `find_entry`.
    """
    found = {text: find_entry(text, out, say) for text in texts if text.isdecimal() or Path(text).is_file()}
    folders = {path.resolve().parent.parent for path in found.values()}
    boards = [read_board(folder) for folder in sorted(folders)] or read_boards(out)
    return boards, [read_entry(found[text]).name if text in found else name_in_table(text) for text in texts]


def find_predictions(text: str, out: Path) -> list[Predictions]:
    """Return the stored predictions of an entry, which is found as by `find_entry`.

    Raises:
        ConfigError: there is no such entry, there are several, or it has no result.
        CxrbenchError: the entry or its table is invalid.
    """
    path = find_entry(text, out)
    entry, folder = read_entry(path), path.parent.parent
    if not entry.predictions:
        raise ConfigError(f"{entry.name} is {entry.status}: it has no predictions. For the reason: cxrbench show {path}")
    return read_predictions(folder / entry.predictions, within=folder)


def find_rows(texts: Sequence[str], out: Path) -> tuple[Board, list[Row] | None]:
    """Return the board of entries, which are found as by `find_entry`, and their rows; None for no entries.

    Raises:
        ConfigError: there is no such entry, there are several, or they are of different protocols.
        CxrbenchError: a file of the board is invalid.
    """
    paths = [find_entry(text, out) for text in texts]
    folders = sorted({path.parent.parent.resolve() for path in paths})
    if len(folders) > 1:
        listed = "".join(f"\n  {folder}" for folder in folders)
        raise ConfigError(
            f"the rows are of {len(folders)} protocols, whose numbers cannot be compared. Name rows of one:{listed}"
        )
    board = find_board(folders[0] if folders else out)
    rows = {stem_of(row.name): row for row in board.rows()}
    return board, [rows[path.stem] for path in paths] or None


def find_board(folder: str | Path) -> Board:
    """Return the board of a protocol's folder, or the only one below a folder of leaderboards.

    Raises:
        ConfigError: there is none, or there are several.
    """
    if (Path(folder) / "protocol.json").is_file():
        return read_board(Path(folder))
    boards = read_boards(Path(folder))
    if len(boards) > 1:
        listed = "".join(f"\n  {board.folder}" for board in boards)
        raise ConfigError(f"{folder} has {len(boards)} protocols. Give the folder of one:{listed}")
    return boards[0]


def _of_name(name: str, paths: Sequence[Path]) -> list[Path]:
    if of_file := [path for path in paths if path.stem == name]:
        return of_file
    recipes = {path: _name_in(path) for path in paths}
    if name not in recipes.values():
        raise unknown_name("entry", name, {recipe for recipe in recipes.values() if recipe})
    return [path for path, recipe in recipes.items() if recipe == name]


def _of_rank(rank: int, out: Path, say: Callable[[str], None]) -> Path:
    """Return the first row with a rank on the board that was written last."""
    boards = read_boards(out)
    board = max(boards, key=_written)
    assert board.folder is not None
    rows = [row for row in board.rows() if row.rank == rank]
    if not rows:
        ranks = sorted({row.rank for row in board.rows() if row.rank})
        raise ConfigError(f"no entry of {board.folder} has rank {rank}. Known ranks: {', '.join(map(str, ranks)) or 'none'}")
    if len(boards) > 1:
        say(f"rank {rank} of {board.folder}, which was written last; for a row of another board, give the path of its entry")
    if len(rows) > 1:
        say(f"{len(rows)} rows share rank {rank}; this is {rows[0].name}")
    return board.folder / "entries" / f"{stem_of(rows[0].name)}.json"


def _written(board: Board) -> float:
    """Return when an entry of a board was written last, in seconds."""
    assert board.folder is not None
    return max((path.stat().st_mtime for path in (board.folder / "entries").glob("*.json")), default=0.0)


def _only(text: str, found: Sequence[Path]) -> Path:
    if len(found) > 1:
        listed = "".join(f"\n  {path}" for path in found)
        raise ConfigError(f"{text} matches {len(found)} entries. Give the path of one:{listed}")
    return found[0]


def _name_in(path: Path) -> str:
    """Return the name of an entry, or "" if it cannot be read; asking for that entry gives the reason."""
    try:
        return read_entry(path).name
    except CxrbenchError:
        return ""
