"""The published results that screenshots show."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = "results"
"""Key of a text in a PNG file: the SHA-256 of the table that it shows."""


def published(root: Path) -> Path:
    """Return the folder of the published results."""
    (folder,) = (path.parent for path in (root / "leaderboard").glob("*/index.html"))
    return folder


def digest_of_results(root: Path) -> str:
    """Return the SHA-256 of the published table."""
    return sha256((published(root) / "leaderboard.csv").read_bytes()).hexdigest()
