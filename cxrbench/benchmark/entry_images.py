"""Find the images that an entry was computed from: its file does not say where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from cxrbench.data.download import Downloader
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.contracts import Images
    from cxrbench.plugin.host import Host


def chosen_classes(entry: Entry, data: str) -> dict[str, str]:
    """Return the classes that an entry's dataset chose, as settings, unless the text for another place of it chooses some."""
    if not entry.data:
        return {}
    options = dict(parse_component(entry.data).options)
    return {name: str(options[name]) for name in ("positive", "negative") if name in options and f"{name}=" not in data}


def locate_images(entry: Entry, data: str, host: Host, downloader: Downloader) -> Images:
    """Return the images of a dataset, a name or a path; raise ConfigError, with what to do, if it does not find them."""
    try:
        return read_images(find_dataset(data, host, chosen_classes(entry, data)), downloader.fetch)
    except ConfigError as error:
        raise ConfigError(f"{error}. Give the location of the images of {entry.protocol.dataset}: --data NAME|PATH") from None
