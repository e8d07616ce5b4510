"""Find the images that an entry was computed from: its file does not say where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from cxrbench.data.download import Downloader
    from cxrbench.leaderboard.store.entry import Entry
    from cxrbench.plugin.contracts import Images
    from cxrbench.plugin.host import Host


def locate_images(entry: Entry, data: str, host: Host, downloader: Downloader) -> Images:
    """Return the images of a dataset, a name or a path; raise ConfigError, with what to do, if it does not find them."""
    try:
        return read_images(find_dataset(data, host), downloader.fetch)
    except ConfigError as error:
        raise ConfigError(f"{error}. Give the location of the images of {entry.protocol.dataset}: --data NAME|PATH") from None
