"""The list of files that could not be read, beside the results that were computed without them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from cxrbench.storage.files import write_text
from cxrbench.storage.safe_text import as_cell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Write key and reason of every skipped file as CSV; if none was skipped, remove the list of an earlier run."""
    if not skipped:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("key", "reason"))
    table.writerows((as_cell(key), as_cell(reason)) for key, reason in skipped)
    write_text(path, text.getvalue())
