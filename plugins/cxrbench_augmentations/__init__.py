"""First-party augmentations: none, the report's, one that keeps the heart on its side, and a strong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Augmentation, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def register_augmentations() -> Iterable[Augmentation]:
    """Declare every augmentation of this package."""
    module = "cxrbench_augmentations.transforms"
    return (
        Augmentation(name="none", factory=f"{module}:unchanged", summary="no augmented views", views=0),
        Augmentation(
            name="paper",
            factory=f"{module}:paper",
            summary="rotation, zoom, width and height shift, horizontal flip (the report's)",
        ),
        Augmentation(
            name="gentle",
            factory=f"{module}:gentle",
            summary="small rotation, zoom and shift, brightness; no flip: the heart has a side",
        ),
        Augmentation(
            name="strong",
            factory=f"{module}:strong",
            summary="wide rotation, zoom and shift, brightness, contrast and noise; no flip",
        ),
    )
