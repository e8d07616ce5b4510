"""What all tests share: the plugins, and a TensorFlow of one thread, as workers have it."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from cxrbench.plugin.host import load_host
from cxrbench.worker_process import THREADS


def pytest_configure():
    """Set the threads before any test module imports Keras."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    settings.register_profile("no-deadline", deadline=None)  # a busy machine is no failure
    settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def tensorflow_ready():
    """Import Keras and start TensorFlow, so that no test's time limit pays for it; return Keras."""
    import keras

    keras.ops.zeros(1)
    return keras


@pytest.fixture(scope="session")
def host():
    """Return the host with all installed plugins."""
    return load_host()
