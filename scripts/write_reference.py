"""Write the pages of docs/reference/ that come from the code: ``python scripts/write_reference.py``."""

from __future__ import annotations

from pathlib import Path

from docs_reference.pages import reference_pages

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

if __name__ == "__main__":
    for name, text in reference_pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/reference/{name}")
