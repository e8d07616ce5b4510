"""Shifts that break one rule each."""

from cxrbench.plugin import Shift, hookimpl

BROKEN = {
    "crops": "shape",
    "rescales": "pixel-range",
    "always-on": "identity-at-zero",
    "weaker": "monotone",
    "unseeded": "seeded",
}


@hookimpl
def register_shifts():
    strengths = {"unit": "percent", "strengths": (5.0, 10.0, 20.0)}
    broken = [
        Shift(name=name, factory=f"{__name__}:{name.replace('-', '_')}", summary=f"breaks {rule}", **strengths)
        for name, rule in BROKEN.items()
    ]
    unitless = Shift(
        name="without-a-unit", factory=f"{__name__}:darken", summary="breaks declared", unit="", strengths=(5.0, 10.0, 20.0)
    )
    return [*broken, unitless]


def darken(*, input_shape, strength, seed):
    """Keep every rule."""
    return lambda images: images * (1 - strength / 100)


def crops(*, input_shape, strength, seed):
    """Cut off the edges."""
    margin = round(strength / 4)
    return lambda images: images[:, margin : images.shape[1] - margin, margin : images.shape[2] - margin]


def rescales(*, input_shape, strength, seed):
    """Leave 0..255."""
    return lambda images: images * (1 + strength / 100)


def always_on(*, input_shape, strength, seed):
    """Change images at strength 0, too."""
    return lambda images: images * (0.9 - strength / 100)


def weaker(*, input_shape, strength, seed):
    """Change images less at a larger strength."""
    return lambda images: images * (1 - 0.5 * (strength > 0) * (5 / max(strength, 1)))


def unseeded(*, input_shape, strength, seed):
    """Draw from the process's own random numbers."""
    import numpy as np

    return lambda images: images * (1 - strength / 100 * np.random.uniform(0.9, 1.0))
