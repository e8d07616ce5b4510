"""What several backbones refuse, in the same words."""

from __future__ import annotations

from cxrbench.plugin import ConfigError


def require_size(name: str, input_shape: tuple[int, int, int], smallest: int) -> None:
    """Refuse images that are less than `smallest` pixels high or wide."""
    height, width, _ = input_shape
    if min(height, width) < smallest:
        raise ConfigError(
            f"backbone {name} needs images of at least {smallest}x{smallest} pixels, not {height}x{width}: "
            f"use --image-size {smallest} or more"
        )


def require_untrained(name: str, weights: str) -> None:
    """Refuse pretrained weights for a backbone that has none."""
    if weights != "none":
        raise ConfigError(f"backbone {name} has no pretrained weights, but weights={weights} was asked for: leave weights out")
