"""Backbones that break one rule each."""

from cxrbench.plugin import Backbone, Int, hookimpl

BROKEN = {
    "maps": "rows",
    "divides-by-zero": "finite",
    "batch-statistics": "batch-neighbours",
    "dropout": "repeatable",
    "unseeded": "seeded",
    "constant": "tells-apart",
    "expects-unit-range": "pixel-range",
    "saturates": "pixel-range",
    "scales-twice": "pixel-range",
    "clips": "every-grey",
    "sets-policy": "no-traces",
    "seeds-the-process": "no-traces",
    "stops-gradient": "gradients",
    "has-lambda": "saves",
}


@hookimpl
def register_backbones():
    refuses = {"factory": f"{__name__}:refuses_own_space", "space": f"{__name__}:space", "summary": "breaks own-space"}
    return [
        *(
            Backbone(name=name, factory=f"{__name__}:{name.replace('-', '_')}", summary=f"breaks {rule}")
            for name, rule in BROKEN.items()
        ),
        Backbone(name="refuses-own-space", **refuses),
    ]


def coarse(images):
    """Return every eighth pixel as a row of features."""
    return images[:, ::8, ::8, 0].reshape(len(images), -1) / 255


def network(input_shape, seed, *scaling, filters=8, **options):
    """Return a small convolutional network."""
    import keras

    draw = keras.initializers.HeNormal(seed)
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *scaling,
            keras.layers.Conv2D(filters, 5, strides=4, activation="relu", kernel_initializer=draw, **options),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
        ]
    )


def maps(*, input_shape, weights, seed):
    """Forget to pool."""
    import numpy as np

    return lambda images: np.asarray(images)[:, ::8, ::8] / 255


def divides_by_zero(*, input_shape, weights, seed):
    """Standardise black images."""
    import numpy as np

    def standardised(images):
        rows = coarse(images)
        with np.errstate(all="ignore"):
            return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)

    return standardised


def batch_statistics(*, input_shape, weights, seed):
    """Normalise over the batch."""
    return lambda images: coarse(images) / (1 / 255 + coarse(images).mean())


def dropout(*, input_shape, weights, seed):
    """Draw anew at every call."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return lambda images: coarse(images) * generator.uniform(0.5, 1.5, coarse(images).shape[1])


def unseeded(*, input_shape, weights, seed):
    """Draw weights from the process's own random numbers."""
    import numpy as np

    kernel = np.random.normal(size=(64, 16)).astype(np.float32)
    return lambda images: coarse(images)[:, :64] @ kernel


def constant(*, input_shape, weights, seed):
    """Look at the shape of images only."""
    import numpy as np

    return lambda images: np.ones((len(images), 4), dtype=np.float32) * images.shape[1]


def expects_unit_range(*, input_shape, weights, seed):
    """Give 0..255 to a network with biases made for 0..1."""
    import keras

    return network(input_shape, seed, filters=16, bias_initializer=keras.initializers.RandomNormal(seed=1))


def saturates(*, input_shape, weights, seed):
    """Put 0..255 into hyperbolic tangents."""
    import numpy as np

    kernel = np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)
    return lambda images: np.tanh(255 * coarse(images)[:, :64] @ kernel)


def scales_twice(*, input_shape, weights, seed):
    """Give 0..1 to a network that scales 0..255 itself."""
    from keras.layers import Rescaling

    return network(input_shape, seed, Rescaling(1 / 255), Rescaling(1 / 127.5, offset=-1.0))


def clips(*, input_shape, weights, seed):
    """Take greys above 160 for white."""
    return lambda images: coarse(images).clip(0, 160 / 255)


def sets_policy(*, input_shape, weights, seed):
    """Set half precision for the whole process."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    return coarse


def seeds_the_process(*, input_shape, weights, seed):
    """Seed NumPy for the whole process."""
    import numpy as np

    np.random.seed(seed)
    return unseeded(input_shape=input_shape, weights=weights, seed=seed)


def stops_gradient(*, input_shape, weights, seed):
    """Stop the gradient before the features."""
    import keras

    images = keras.Input(input_shape)
    features = network(input_shape, seed, keras.layers.Rescaling(1 / 127.5, offset=-1.0))(images)
    return keras.Model(images, keras.ops.stop_gradient(features))


def has_lambda(*, input_shape, weights, seed):
    """Have a Lambda layer, which Keras refuses to load."""
    import keras

    return network(input_shape, seed, keras.layers.Lambda(lambda images: images / 127.5 - 1.0))


def space(*, input_shape):
    return {"cells": Int(low=2, high=input_shape[0] * 2)}


def refuses_own_space(*, input_shape, weights, seed, cells: int = 4):
    """Reject a part of its declared space."""
    size = input_shape[0] // cells
    if size < 1:
        raise ValueError(f"{cells} cells do not fit")
    return lambda images: images[:, ::size, ::size, 0].reshape(len(images), -1) / 255
