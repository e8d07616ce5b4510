"""Shared by the benchmarks: a description of the machine, its matrix-product peak, memory and processor time of processes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.execution.executor import Executor

SIDE = 2048


def describe() -> str:
    """Return date, processor, memory and versions in one line."""
    processor = next(
        (line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor()
    )
    memory = next((int(line.split()[1]) / 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    packages = ("keras", "tensorflow", "tensorflow-cpu", "optuna", "numpy")
    versions = ", ".join(f"{name} {version}" for name in packages if (version := _version(name)))
    day = datetime.now(tz=UTC).date()
    return f"{day}, {processor} ({os.cpu_count()} cores), {memory:.0f} GiB, Python {platform.python_version()}, {versions}"


def peak(executor: Executor, workers: int) -> float:
    """Return the GFLOP/s of float32 matrix products in all workers at once."""
    calls = [executor.submit(matrix_products, 0.5) for _ in range(workers)]
    return sum(call.result() for call in calls)


def matrix_products(seconds: float) -> float:
    """Return the GFLOP/s of products of 2,048 x 2,048 matrices in this process, the median over `seconds`."""
    import tensorflow

    left, right = tensorflow.random.normal((SIDE, SIDE)), tensorflow.random.normal((SIDE, SIDE))
    product = tensorflow.function(tensorflow.matmul, autograph=False)
    product(left, right)
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not rates:
        start = time.perf_counter()
        product(left, right).numpy()
        rates.append(2 * SIDE**3 / (time.perf_counter() - start) / 1e9)
    return sorted(rates)[len(rates) // 2]


@dataclass(slots=True)
class Memory:
    """The largest anonymous memory of any process of this tree, in bytes."""

    peak: int = 0


@contextmanager
def watched_memory(every: float = 0.05) -> Iterator[Memory]:
    """Measure this process and its descendants each so many seconds; a look takes milliseconds."""
    memory, over = Memory(), Event()

    def watch() -> None:
        while not over.wait(every):
            memory.peak = max([memory.peak, *(_anonymous(process) for process in _tree(os.getpid()))])

    thread = Thread(target=watch)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def processor_seconds(process: int) -> float:
    """Return the processor time of a process and its living descendants."""
    return sum(_processor(one) for one in _tree(process))


def _processor(process: int) -> float:
    """Return user and system time (fields 14 and 15 of proc(5)); the name before them may hold blanks."""
    for line in _lines(f"/proc/{process}/stat"):
        return sum(map(int, line.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _tree(process: int) -> list[int]:
    lists = Path(f"/proc/{process}/task").glob("*/children")
    children = {int(child) for path in lists for line in _lines(path) for child in line.split()}
    return [process, *(descendant for child in children for descendant in _tree(child))]


def _anonymous(process: int) -> int:
    return next((int(line.split()[1]) * 1024 for line in _lines(f"/proc/{process}/status") if line.startswith("RssAnon")), 0)


def _lines(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
