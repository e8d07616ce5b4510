"""Augmentations that break one rule each."""

from cxrbench.plugin import Augmentation, hookimpl

BROKEN = {
    "crops": "shape",
    "rescales": "pixel-range",
    "always-on": "identity-at-inference",
    "unseeded": "seeded",
    "constant-seed": "other-seed",
    "draws-once": "drawn-anew",
    "numpy-in-layer": "drawn-anew",
    "counts-views": "factory",
}


@hookimpl
def register_augmentations():
    return [
        Augmentation(name=name, factory=f"{__name__}:{name.replace('-', '_')}", summary=f"breaks {rule}")
        for name, rule in BROKEN.items()
    ]


def randomly(change, seed):
    """Return an augmentation that changes training images with a generator."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return lambda images, training=True: change(np.asarray(images), generator) if training else images


def crops(*, input_shape, seed):
    """Cut off the edges."""

    def crop(images, generator):
        first = generator.integers(1, 8)
        return images[:, first : first + 32, 8:40]

    return randomly(crop, seed)


def counts_views(*, input_shape, seed, views: int = 4):
    """Wait for the number of views, which the harness keeps for itself."""
    return randomly(lambda images, generator: images * generator.uniform(1 - views / 20, 0.99), seed)


def rescales(*, input_shape, seed):
    """Return pixels in 0..1."""
    return randomly(lambda images, generator: images / 255 * generator.uniform(0.8, 1.2), seed)


def always_on(*, input_shape, seed):
    """Ignore the argument training."""
    augment = randomly(lambda images, generator: images * generator.uniform(0.8, 0.99), seed)
    return lambda images, training=True: augment(images)


def unseeded(*, input_shape, seed):
    """Draw from the process's own random numbers."""
    import numpy as np

    return randomly(lambda images, generator: images * np.random.uniform(0.8, 1.0), seed)


def constant_seed(*, input_shape, seed):
    """Draw the same for every view."""
    return randomly(lambda images, generator: images * generator.uniform(0.8, 1.0), 42)


def draws_once(*, input_shape, seed):
    """Draw once for all batches."""
    import numpy as np

    factor = np.random.default_rng(seed).uniform(0.8, 1.0)
    return randomly(lambda images, generator: images * factor, seed)


def numpy_in_layer(*, input_shape, seed):
    """Draw NumPy's random numbers in a Keras layer, where they become constants when it is compiled."""
    import keras
    import numpy as np

    class Brightness(keras.layers.Layer):
        generator = np.random.default_rng(seed)

        def call(self, images, training=True):
            return images * self.generator.uniform(0.8, 1.0) if training else images

    return Brightness()
