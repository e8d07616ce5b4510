"""Choose the test images that a row was surest of, right and wrong, by their stored scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from cxrbench.benchmark.explain.unlearnt import GreyImage
from cxrbench.data.decoding.decode import examine
from cxrbench.data.decoding.helper import dismiss_helpers
from cxrbench.data.decoding.image_bytes import digest_of, read_image, reading_failure
from cxrbench.errors import ConfigError
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cxrbench.config.protocol import Protocol
    from cxrbench.evaluation.predictions import Predictions
    from cxrbench.leaderboard.store.image_record import Part
    from cxrbench.plugin.contracts import Images

Outcome = Literal["true positive", "true negative", "false positive", "false negative"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
MOST = 6
"""Images of each outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A test image with its stored score.

    Attributes:
        fold: whose test part it is in, and whose heads scored it.
        label: 1 for the positive class.
    """

    outcome: Outcome
    key: str
    fold: int
    label: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surest:
    """The chosen images.

    Attributes:
        counts: all test images of each outcome.
        images: each chosen image as it is scored, in the order of `OUTCOMES`, the surest first.
    """

    counts: Mapping[Outcome, int]
    images: tuple[tuple[Scored, GreyImage], ...]


def by_outcome(tested: Sequence[Predictions]) -> dict[Outcome, list[Scored]]:
    """Return all test images by outcome, those with the surest scores first, and equal scores by key.

    Args:
        tested: the scores of each fold's own heads, with the threshold that makes the calls.
    """
    found: dict[Outcome, list[Scored]] = {outcome: [] for outcome in OUTCOMES}
    for one in tested:
        for key, label, score in zip(one.keys.tolist(), one.labels.tolist(), one.scores.tolist(), strict=True):
            outcome = _outcome(label, is_positive=score >= one.chosen_threshold)
            found[outcome].append(Scored(outcome=outcome, key=key, fold=one.fold, label=label, score=score))
    for outcome, images in found.items():
        sign = -1 if outcome.endswith("positive") else 1
        images.sort(key=lambda image: (sign * image.score, image.key))
    return found


def _outcome(label: int, *, is_positive: bool) -> Outcome:
    if is_positive:
        return "true positive" if label else "false positive"
    return "false negative" if label else "true negative"


def choose_surest(tested: Sequence[Predictions], read: Callable[[Scored], GreyImage | None], most: int = MOST) -> Surest:
    """Return at most so many images of each outcome.

    Args:
        tested: as for `by_outcome`.
        read: returns the image, or None if the heads that scored it learnt from an equal one.
        most: images of each outcome.
    """
    found = by_outcome(tested)
    chosen = tuple(one for images in found.values() for one in _first(images, read, most))
    dismiss_helpers()
    return Surest(counts={outcome: len(images) for outcome, images in found.items()}, images=chosen)


def _first(
    images: Sequence[Scored], read: Callable[[Scored], GreyImage | None], most: int
) -> Iterator[tuple[Scored, GreyImage]]:
    taken = 0
    for scored in images:
        if taken == most:
            return
        if image := read(scored):
            taken += 1
            yield scored, image


def unlearnt_reader(
    images: Images, parts: Sequence[Mapping[str, Part]], protocol: Protocol
) -> Callable[[Scored], GreyImage | None]:
    """Return a function that reads test images as the run did, for `choose_surest`.

    It raises ConfigError for an image that cannot be read, or that is not the one that was scored.

    Args:
        images: of the run.
        parts: of each fold, the part of each image by its digests.
        protocol: says how images are resized.
    """
    numbers = iter(range(1, sum(map(len, parts)) + 1))

    def read(scored: Scored) -> GreyImage | None:
        try:
            data = read_image(images, scored.key)
            pixels, facts = examine(data, size=protocol.image_size, resize=protocol.resize)
        except Exception as error:  # a plugin's reader may raise anything
            raise _not_the_images(images, f"{as_line(scored.key)}: {reading_failure(error)}") from None
        digests = (digest_of(data), facts.pixels)
        found = {parts[scored.fold].get(digest) for digest in digests}
        if found & {"train", "validation"}:
            return None
        if "test" not in found:
            raise _not_the_images(images, f"{as_line(scored.key)} is not the image that was scored")
        return GreyImage(number=next(numbers), name=scored.key, pixels=pixels, digests=digests, warnings=())

    return read


def _not_the_images(images: Images, reason: str) -> ConfigError:
    return ConfigError(
        f"--data: {images.name} has not the images of this row: {reason}. Name the dataset of the run: --data NAME|PATH"
    )
