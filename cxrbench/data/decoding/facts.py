"""Properties of an image file besides its grey pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Properties of an image file before decoding.

    Attributes:
        bits: per channel and pixel.
        colour: whether it shows colours; False for grey stored as RGB.
        width, height: in pixels.
        pixels: digest of the decoded image.
    """

    bits: int
    colour: bool
    width: int
    height: int
    pixels: str

    @property
    def shortest_side(self) -> int:
        """The shorter side in pixels."""
        return min(self.width, self.height)

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits per channel and pixel."""
        return self.bits > 8

    @property
    def aspect(self) -> float:
        """Longer side / shorter side."""
        return max(self.width, self.height) / min(self.width, self.height)
