"""Command-line options that several commands share and that are not settings, or are needed before settings are imported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OneFilePlugins = Annotated[list[Path] | None, typer.Option("--plugin", metavar="FILE", help="One-file plugin; repeatable")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON")]
