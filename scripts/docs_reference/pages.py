"""The pages that are written from the code, by file name."""

from __future__ import annotations

from docs_reference.columns import columns_page
from docs_reference.commands import commands_page
from docs_reference.components import components_page
from docs_reference.plugin_api import plugin_api_page, python_api_page
from docs_reference.records import records_page
from docs_reference.settings import settings_page


def reference_pages() -> dict[str, str]:
    """Return every generated page of docs/reference/ by its file name."""
    return {
        "columns.md": columns_page(),
        "commands.md": commands_page(),
        "components.md": components_page(),
        "plugin-api.md": plugin_api_page(),
        "python-api.md": python_api_page(),
        "records.md": records_page(),
        "settings.md": settings_page(),
    }
