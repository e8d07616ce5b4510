"""Warn where images that score a recipe may be among those that its pretrained weights learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.options import UNTRAINED
from cxrbench.data.collections import sharing
from cxrbench.models.weights import weights_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxrbench.config.part import Part
    from cxrbench.plugin.specs import Backbone


def seen_warnings(backbone: Part[Backbone], collections: Sequence[str], of: str) -> tuple[str, ...]:
    """Return a warning for each collection that the weights have seen and the images may be from.

    Args:
        backbone: declares what its weights have seen; the option ``seen=nih+chexpert`` says it of a file of the user's.
        collections: that the images are from.
        of: what the images are, for the message.
    """
    if weights_option(backbone) == UNTRAINED:
        return ()
    given = str(backbone.option("seen", ""))
    seen = [name.strip() for name in given.split("+") if name.strip()] if given else backbone.spec.seen
    return tuple(
        f"{of} ({images}) may be among what its pretrained weights learnt from ({weights}): its figures may be too good"
        for weights, images in sharing(seen, collections)
    )
