"""Fixtures of the execution tests: worker processes that import nothing, since these calls need no Keras."""

from __future__ import annotations

import os
from functools import partial

import pytest

from cxrbench.execution.executor import InProcessExecutor, open_executor
from cxrbench.execution.process_pool import WorkerPool


@pytest.fixture(scope="session")
def open_light():
    """Return `open_executor` for workers that import nothing."""
    return partial(open_executor, warm_up=os.getpid)


@pytest.fixture(scope="session")
def light_pool():
    """Return how to make a pool whose workers import nothing."""
    return partial(WorkerPool, warm_up=os.getpid)


@pytest.fixture(scope="module")
def workers(open_light):
    """Return an executor with one worker process."""
    with open_light(1) as executor:
        yield executor


@pytest.fixture(params=["this process", "worker processes"])
def executor(request):
    """Return an executor of either kind."""
    return InProcessExecutor() if request.param == "this process" else request.getfixturevalue("workers")
