"""The weights of a whole network are read as they were written, or refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.models.fine_tuning.network_file import NetworkWeights, read_network_weights, write_network_weights
from cxrbench.models.training.head_weights import random_head
from cxrbench.models.training.weights_file import write_tensors


@pytest.fixture
def weights():
    generator = np.random.default_rng(0)
    backbone = [generator.random(shape, dtype=np.float32) for shape in ((3, 3, 3, 4), (), (4, 2))]
    return NetworkWeights(backbone=backbone, head=random_head(2, 8, generator))


def test_a_network_is_read_as_it_was_written(weights, tmp_path):
    digest = write_network_weights(tmp_path / "network", weights)
    read = read_network_weights(tmp_path / "network", digest, within=tmp_path)
    assert [one.shape for one in read.backbone] == [one.shape for one in weights.backbone]
    assert all(map(np.array_equal, (*read.backbone, *read.head), (*weights.backbone, *weights.head)))
    assert digest == write_network_weights(tmp_path / "again", weights)


def test_changed_bytes_are_refused(weights, tmp_path):
    path = tmp_path / "network"
    digest = write_network_weights(path, weights)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CxrbenchError, match="its SHA-256 is not that of its entry"):
        read_network_weights(path, digest, within=tmp_path)
    path.write_bytes(b"no arrays")
    with pytest.raises(CxrbenchError, match="SHA-256"):
        read_network_weights(path, digest, within=tmp_path)


def test_arrays_of_something_else_are_refused(tmp_path):
    digest = write_tensors(tmp_path / "other", {"backbone.0": np.zeros(3, dtype=np.float32)})
    with pytest.raises(CxrbenchError, match=r"holds no network: hidden\.kernel is missing"):
        read_network_weights(tmp_path / "other", digest, within=tmp_path)
