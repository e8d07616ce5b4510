"""Score new images with a model: images in, predictions out, in the same order."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.model.warnings import ReadImage, warnings_of
from cxrbench.config.settings import usable_cores
from cxrbench.data.decoding.dicom_view import view_of
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.image_bytes import digest_of, read_file, reading_failure
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from cxrbench.benchmark.model.model import Model
    from cxrbench.data.decoding.image_bytes import ImageData
    from cxrbench.data.image_paths import FoundPath
    from cxrbench.leaderboard.store.image_record import Part

BATCH = 32
"""Images that one thread decodes and then scores together."""
BATCHES_AHEAD = 2
"""Batches of each thread that may be finished or waiting before the first of them is taken; bounds the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedImage:
    """An image that is not read yet.

    Attributes:
        name: its path or its key.
        read: returns its bytes or pixels; may raise anything.
    """

    name: str
    read: Callable[[], ImageData]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says about an image.

    Attributes:
        name: path or key of the image.
        score: in 0..1; None if the image could not be read.
        call: the name of the class; empty without a score.
        threshold: a score at or above it is a positive call.
        part: of the images that the model learnt from, if the image is one of them.
        warnings: why the score may not hold.
        reason: why the image could not be read; else empty.
    """

    name: str
    score: float | None
    call: str
    threshold: float
    part: Part | None = None
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_positive(self) -> bool:
        """Whether the call is positive."""
        return self.score is not None and self.score >= self.threshold


def predict_files(model: Model, found: Iterable[FoundPath]) -> Iterator[Prediction]:
    """Score image files in their order; see `predict`."""
    return predict(model, (NamedImage(name=str(one.path), read=partial(_read_found, one)) for one in found))


def predict(model: Model, images: Iterable[NamedImage]) -> Iterator[Prediction]:
    """Yield the prediction of each image, in their order.

    The first image is scored alone, so that its prediction comes at once. Then one thread per core decodes and scores whole
    batches: both leave Python's interpreter to the other threads, and no core waits for another. No more than a few batches are
    in memory.

    Raises:
        CxrbenchError: the backbone failed. An image that cannot be read has a prediction with the reason.
    """
    waiting = iter(images)
    yield from _score_batch(model, list(itertools.islice(waiting, 1)))
    threads = usable_cores()
    ahead: deque[Future[list[Prediction]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for batch in iter(lambda: list(itertools.islice(waiting, BATCH)), []):
            ahead.append(pool.submit(_score_batch, model, batch))
            if len(ahead) > BATCHES_AHEAD * threads:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:  # also if the caller takes no more of them
        pool.shutdown(cancel_futures=True)
        dismiss_helpers()


def _read_found(found: FoundPath) -> bytes:
    if found.problem:
        raise DataError(found.problem)
    return read_file(found.path)


def _score_batch(model: Model, images: Sequence[NamedImage]) -> list[Prediction]:
    read = [_read(model, image) for image in images]
    readable = [one for one in read if isinstance(one, ReadImage)]
    scored = iter(_scores_and_warnings(model, readable) if readable else ())
    return [
        _unread(model, image.name, one) if isinstance(one, str) else _scored(model, image.name, one.part, *next(scored))
        for image, one in zip(images, read, strict=True)
    ]


def _read(model: Model, image: NamedImage) -> ReadImage | str:
    """Read and decode an image; return why it cannot be read if so."""
    try:
        data = image.read()
        digest = digest_of(data)
    except Exception as error:  # a plugin's reader may raise anything
        return reading_failure(error)
    try:
        pixels, facts = model.classifier.read(data)
    except DataError as error:
        return str(error)
    part = model.learnt.get(digest) or model.learnt.get(facts.pixels)
    return ReadImage(part=part, view=view_of(data) if isinstance(data, bytes) else "", pixels=pixels, facts=facts)


def _scores_and_warnings(model: Model, images: Sequence[ReadImage]) -> Iterator[tuple[float, tuple[str, ...]]]:
    scores = model.classifier.scores(np.stack([image.pixels for image in images])).tolist()
    return zip(scores, warnings_of(model.record, images), strict=True)


def _scored(model: Model, name: str, part: Part | None, score: float, warnings: tuple[str, ...]) -> Prediction:
    names, threshold = model.record.class_names, model.classifier.threshold
    call = names.positive if score >= threshold else names.negative
    return Prediction(name=name, score=score, call=call, threshold=threshold, part=part, warnings=warnings)


def _unread(model: Model, name: str, reason: str) -> Prediction:
    return Prediction(name=name, score=None, call="", threshold=model.classifier.threshold, reason=reason)
