"""Write docs/screenshots/ from the published leaderboard: ``python scripts/write_screenshots.py``.

The terminal needs a Unix system, the page Chromium with its driver and selenium. ``terminal`` or ``page`` writes only one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs_screenshots.terminal import terminal_svg

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"

if __name__ == "__main__":
    wanted = sys.argv[1:] or ["terminal", "page"]
    if "terminal" in wanted:
        (FOLDER / "terminal.svg").write_text(terminal_svg(ROOT), encoding="utf-8")
    if "page" in wanted:
        from docs_screenshots.page import page_png

        (FOLDER / "page.png").write_bytes(page_png(ROOT))
