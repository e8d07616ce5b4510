"""Datasets that break one rule each."""

import random

from cxrbench.plugin import ConfigError, DataError, Dataset, Images, Record, hookimpl

BROKEN = {
    "one-class": "labels",
    "duplicate-keys": "keys",
    "no-patients": "patients",
    "shuffles": "deterministic",
    "float-pixels": "readable",
    "blank-for-missing": "unreadable",
    "has-lambda": "picklable",
    "anything-goes": "missing-source",
    "misspelt-licence": "builds",
}


@hookimpl
def register_datasets():
    greedy = {"factory": f"{__name__}:greedy", "claims": f"{__name__}:claims", "summary": "breaks claims"}
    return [
        *(
            Dataset(name=name, factory=f"{__name__}:{name.replace('-', '_')}", summary=f"breaks {rule}")
            for name, rule in BROKEN.items()
        ),
        Dataset(name="greedy", **greedy),
    ]


def read(key):
    import numpy as np

    if not key.isdigit():
        raise DataError(f"there is no image {key!r}")
    return np.random.default_rng(int(key)).integers(0, 256, (32, 32), dtype=np.uint8)


def drawn(source, *, numbers=range(12), label=lambda number: number % 2, patient="p{}", reader=read, licence="open"):
    """Return images that need no source: two of each patient, one of each class."""
    if source is not None:
        raise ConfigError(f"these images are drawn and have no source, but got {source}")
    records = [Record(key=f"{number:02d}", label=label(number), patient=patient.format(number // 2)) for number in numbers]
    return Images(name="mutant", records=records, read=reader, licence_class=licence)


def misspelt_licence(source):
    """Declare a licence class that does not exist."""
    return drawn(source, licence="CC BY 4.0")


def one_class(source):
    """List the positive class only."""
    return drawn(source, label=lambda number: 1)


def duplicate_keys(source):
    """Give two images one key."""
    return drawn(source, numbers=[0, 0, 1, 1, 2, 2, 3, 3])


def no_patients(source):
    """List patients without a name."""
    return drawn(source, patient="")


def shuffles(source):
    """List another order every time."""
    return drawn(source, numbers=random.sample(range(12), 12))


def float_pixels(source):
    """Read pixels in 0..1."""
    return drawn(source, reader=read_floats)


def read_floats(key):
    return read(key) / 255


def blank_for_missing(source):
    """Read a black image for one that does not exist."""
    return drawn(source, reader=read_or_blank)


def read_or_blank(key):
    import numpy as np

    return read(key) if key.isdigit() else np.zeros((32, 32), dtype=np.uint8)


def has_lambda(source):
    """Have a reader that cannot be pickled."""
    return drawn(source, reader=lambda key: read(key))  # noqa: PLW0108  # that is the point


def anything_goes(source):
    """Take any source and ignore it."""
    return drawn(None)


def greedy(source):
    """Claim every folder."""
    return drawn(source)


def claims(path):
    return path.is_dir()
