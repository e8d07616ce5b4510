"""DarkCovidNet, a small network for chest X-rays that is trained from random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Backbone, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def register_backbones() -> Iterable[Backbone]:
    """Declare the backbone of this package."""
    return (
        Backbone(
            name="darkcovidnet",
            factory="cxrbench_darkcovidnet.network:darkcovidnet",
            summary="DarkCovidNet, 256 features, no weights: made to be trained from scratch (Ozturk et al., 2020)",
        ),
    )
