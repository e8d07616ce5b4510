"""Breaks `picklable`: a reader that cannot be pickled."""

from cxrbench.plugin import ConfigError, DataError, Dataset, Images, Record, hookimpl


@hookimpl
def register_datasets():
    return [Dataset(name="mutant", factory=f"{__name__}:load")]


def load(source):
    if source is not None:
        raise ConfigError(f"mutant draws its images and has no source, but got {source}")
    records = [Record(key=f"{number:02d}", label=number % 2, patient=f"p{number // 2}") for number in range(12)]
    return Images(name="mutant", records=records, read=lambda key: read(key))  # noqa: PLW0108  # that is the point


def read(key):
    import numpy as np

    if not key.isdigit():
        raise DataError(f"there is no image {key!r}")
    return np.random.default_rng(int(key)).integers(0, 256, (32, 32), dtype=np.uint8)
