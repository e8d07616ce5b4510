"""What is known of an image file besides its grey pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One image file as it was before it became a grey square.

    Attributes:
        bits: of one channel of one pixel.
        colour: whether it shows colours; grey that is stored as RGB does not.
        width, height: in pixels.
        pixels: the digest of the grey square that it became.
    """

    bits: int
    colour: bool
    width: int
    height: int
    pixels: str

    @property
    def aspect(self) -> float:
        """The longer side in multiples of the shorter one."""
        return max(self.width, self.height) / min(self.width, self.height)
