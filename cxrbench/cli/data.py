"""`cxrbench data`: inspect, audit and convert datasets."""

from __future__ import annotations

import typer

from cxrbench.cli.data_audit import audit_dataset
from cxrbench.cli.data_convert import convert_dataset
from cxrbench.cli.data_inspect import inspect_dataset
from cxrbench.cli.settings_command import settings_command

CHOSEN = ("positive", "negative")
DIVIDED = (*CHOSEN, "split", "seed", "image_size", "plugin", "offline")

data = typer.Typer(help="Inspect, audit and convert datasets.", no_args_is_help=True)
data.command("inspect", cls=settings_command(*DIVIDED))(inspect_dataset)
data.command("audit", cls=settings_command(*DIVIDED, "folds"))(audit_dataset)
data.command("convert", cls=settings_command(*CHOSEN, "plugin", "offline"))(convert_dataset)
