"""Command-line options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder of the leaderboards [default: leaderboard]", show_default=False),
]
OneFilePlugins = Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="One-file plugin; repeatable")]
