"""The file of an epoch says what computed the epochs so far."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from cxrbench.models.fine_tuning.checkpoint import Progress, read_progress, write_progress


@pytest.fixture
def progress():
    """Return a training of which a CPU and a GPU computed an epoch each."""
    return Progress(
        losses=(0.7, 0.5, 0.4),
        best=2,
        best_weights=[np.ones(3, dtype=np.float32), np.float32(2)],
        best_logits=np.zeros(2),
        state=[np.zeros(1, dtype=np.float32)],
        devices=("cpu", "gpu"),
        seconds=1.5,
    )


def test_weights_keep_their_shapes_and_seconds_add_up(tmp_path, progress):
    write_progress(tmp_path / "file", progress, "identity")
    found = read_progress(tmp_path / "file", "identity")
    assert [np.shape(one) for one in found.best_weights] == [(3,), ()]
    assert found.seconds == 1.5


def test_a_training_that_moved_names_both_devices(tmp_path, progress):
    write_progress(tmp_path / "file", progress, "identity")
    assert read_progress(tmp_path / "file", "identity").devices == ("cpu", "gpu")


def test_epochs_of_earlier_versions_are_of_a_cpu(tmp_path, progress):
    write_progress(tmp_path / "file", progress, "identity")
    with safe_open(tmp_path / "file", framework="numpy") as file:
        facts, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 no mapping
    save_file(arrays, tmp_path / "earlier", {name: text for name, text in facts.items() if name != "devices"})
    found = read_progress(tmp_path / "earlier", "identity")
    assert (found.devices, found.losses) == (("cpu",), progress.losses)
