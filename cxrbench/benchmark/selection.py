"""What validation chose, frozen: the heads that score test images, in smaller batches where memory is short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxrbench.evaluation.threshold import choose_threshold
from cxrbench.execution.retry import submit_with_retry
from cxrbench.models.features.extraction import BATCH, smallest_batch
from cxrbench.models.training.configuration import SCORED_AT_ONCE
from cxrbench.models.training.jobs import FrozenHead, HeadJob, freeze_head, score_images
from cxrbench.search.record import THRESHOLD
from cxrbench.search.study import SEARCHED_THRESHOLD
from cxrbench.storage.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.config.protocol import Protocol
    from cxrbench.execution.executor import Executor
    from cxrbench.execution.retry import BatchResult
    from cxrbench.plugin.contracts import Trial
    from cxrbench.plugin.specs import Value
    from cxrbench.storage.sharded_array import ShardedArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A head that validation chose, with all that must not change once the test images are scored.

    Attributes:
        params: without the threshold.
        identity: hash of study, trial, parameters and threshold.
        batch_size: rows per optimizer step that it was trained with.
    """

    fold: int
    seed: int
    params: Mapping[str, Value]
    threshold: float
    identity: str
    batch_size: int
    head: FrozenHead


def freeze(protocol: Protocol, fold: int, job: HeadJob, selected: Trial, executor: Executor) -> tuple[Selection, ...]:
    """Train the selected trial once for each seed, and choose each head's threshold on its validation scores.

    In batches of the trial's size, so that it repeats exactly, unless memory has become shorter since.
    """

    def train(seed: int) -> Future[BatchResult[FrozenHead]]:
        return submit_with_retry(
            lambda batch: executor.submit(freeze_head, job.in_batches(batch), selected.number, selected.params, seed),
            selected.batch_size or job.configuration.batch_size,
        )

    calls = [train(seed) for seed in range(protocol.seeds)]
    params = {name: value for name, value in selected.params.items() if name != THRESHOLD}
    found = []
    for seed, fitted in enumerate(call.result() for call in calls):
        head = fitted.value
        threshold = float(selected.params[THRESHOLD])
        if seed and protocol.threshold != SEARCHED_THRESHOLD:
            threshold = choose_threshold(protocol.threshold, job.validation[1], head.scores)
        identity = digest([job.study, fold, seed, selected.number, {**selected.params, THRESHOLD: threshold}])
        found.append(
            Selection(
                fold=fold,
                seed=seed,
                params=params,
                threshold=threshold,
                identity=identity,
                batch_size=fitted.batch,
                head=head,
            )
        )
    return tuple(found)


def submit_scoring(
    selection: Selection, view: ShardedArray, images: NDArray[np.int64], executor: Executor
) -> Future[BatchResult[NDArray[np.float64]]]:
    """Have images scored by a frozen head, fewer at once if memory is short."""
    return submit_with_retry(
        lambda at_once: executor.submit(score_images, selection.head, selection.batch_size, view, images, at_once),
        SCORED_AT_ONCE,
    )


def halved_features(views: Iterable[ShardedArray]) -> tuple[str, ...]:
    """Return a warning if a backbone got fewer films at once than it gets elsewhere, in this run or in an earlier one."""
    if (batch := smallest_batch(views)) == BATCH:
        return ()
    return (f"features were extracted from as few as {batch} films at once: {BATCH} did not fit in memory",)


def halved_scoring(what: str, at_once: Iterable[int]) -> tuple[str, ...]:
    """Return a warning if images were scored in smaller blocks than elsewhere."""
    smallest = min(at_once, default=SCORED_AT_ONCE)
    if smallest == SCORED_AT_ONCE:
        return ()
    return (f"{what} images were scored {smallest:,} at once: {SCORED_AT_ONCE:,} did not fit in memory",)


def halved_training(batch_size: int, selected: Trial, selections: Sequence[Selection]) -> tuple[str, ...]:
    """Return a warning if heads were trained in smaller batches than the `batch_size` of the protocol."""
    sizes = sorted({selected.batch_size or batch_size, *(one.batch_size for one in selections)}, reverse=True)
    if sizes == [batch_size]:
        return ()
    trained = " and ".join(map(str, sizes))
    return (f"trial {selected.number} was trained in batches of {trained} rows: {batch_size} did not fit in memory",)
