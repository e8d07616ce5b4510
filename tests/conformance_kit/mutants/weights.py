"""Backbones that declare pretrained weights and do not load them."""

from pathlib import Path

from cxrbench.plugin import Backbone, Download, hookimpl

BROKEN = ("draws-weights", "ignores-weights", "names-no-file", "draws-a-part")


@hookimpl
def register_backbones():
    return [
        *(
            Backbone(
                name=name,
                factory=f"{__name__}:{name.replace('-', '_')}",
                weights=f"{__name__}:{'no_file' if name == 'names-no-file' else 'weights_file'}",
                summary="breaks loads-weights",
            )
            for name in BROKEN
        ),
        Backbone(
            name="cannot-choose",
            factory=f"{__name__}:cannot_choose",
            weights=f"{__name__}:weights_file",
            summary="breaks factory",
        ),
        Backbone(
            name="of-many-widths",
            factory=f"{__name__}:of_many_widths",
            weights=f"{__name__}:weights_file",
            summary="breaks factory",
        ),
        Backbone(
            name="has-no-weights-function",
            factory=f"{__name__}:of_many_widths",
            weights=f"{__name__}:wieghts_file",
            summary="breaks factory",
        ),
    ]


def weights_file(*, input_shape, weights):
    """Name this file, which is always here."""
    file = Path(__file__)
    return Download(url=file.as_uri(), file_name=file.name, folder=file.parent) if weights != "none" else None


def no_file(*, input_shape, weights):
    """Name no file, whatever the weights."""
    return None


def network(input_shape, seed):
    """Return a small network with weights that are drawn from a seed."""
    import keras

    draw = keras.initializers.HeNormal(seed)
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 127.5, offset=-1.0),
            keras.layers.Conv2D(16, 5, strides=4, activation="relu", kernel_initializer=draw),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
        ]
    )


def draws_weights(*, input_shape, weights, seed):
    """Forget to load the file."""
    return network(input_shape, seed)


def ignores_weights(*, input_shape, weights, seed):
    """Have the same weights with and without the file."""
    return network(input_shape, 5)


def names_no_file(*, input_shape, weights, seed):
    """Be a trained network of which nobody knows the file."""
    return network(input_shape, 5 if weights == "imagenet" else seed)


def draws_a_part(*, input_shape, weights, seed):
    """Load the first layer only."""
    import keras

    first = network(input_shape, 5 if weights == "imagenet" else seed)
    return keras.Sequential([first, keras.layers.Dense(9, kernel_initializer=keras.initializers.HeNormal(seed))])


def cannot_choose(*, input_shape, seed):
    """Take no weights, so that weights=none cannot be told from imagenet."""
    return network(input_shape, 5)


def of_many_widths(*, input_shape, weights, seed, width: float = 1.0):
    """Have an option that the function of the weights does not take."""
    return network(input_shape, 5 if weights == "imagenet" else seed)
