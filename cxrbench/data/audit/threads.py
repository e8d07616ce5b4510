"""Share matrix products among threads."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from threadpoolctl import threadpool_limits

from cxrbench.config.settings import usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Result = TypeVar("Result")


def in_threads(compute: Callable[[int], Result], starts: Iterable[int]) -> Iterator[Result]:
    """Yield the results for all starts, in order, each computed in a thread of its own; a few are computed ahead.

    The threads of the matrix library itself wait for each other in busy loops, which takes ten times as long on a busy machine.
    """
    threads, left = usable_cores(), iter(starts)
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        ahead = deque(pool.submit(compute, start) for start in itertools.islice(left, 2 * threads))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(compute, start) for start in itertools.islice(left, 1))
