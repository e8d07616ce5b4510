"""Heads as files: the same numbers come back, and a file that is not the entry's is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from cxrbench.errors import CxrbenchError
from cxrbench.models.training.frozen import score_images
from cxrbench.models.training.head_file import TENSORS, read_head, write_head
from cxrbench.models.training.jobs import HeadScorer

PARAMS = {"learning_rate": 0.003, "dropout": 0.3}


@pytest.fixture
def weights():
    generator = np.random.default_rng(0)
    shapes = ((6, 512), (512,), (512, 1), (1,))
    return tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)


def test_a_head_comes_back_bit_for_bit(weights, tmp_path):
    path = tmp_path / "models" / "fold-0-seed-0.safetensors"
    digest = write_head(path, weights)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = read_head(path, digest, within=tmp_path)
    assert all(np.array_equal(*pair) for pair in zip(found, weights, strict=True))
    assert write_head(tmp_path / "again", weights) == digest


def test_other_programs_can_read_the_weights_by_name(weights, tmp_path):
    write_head(tmp_path / "head", weights)
    with safe_open(tmp_path / "head", framework="numpy") as file:
        assert set(file.keys()) == set(TENSORS)
        assert np.array_equal(file.get_tensor("hidden.kernel"), weights[0])


def test_a_head_of_a_file_scores_like_the_frozen_one(make_job, tmp_path):
    job = make_job()
    head = job.freeze(0, PARAMS)
    digest = head.scorer.write(tmp_path / "head")
    read = HeadScorer(weights=read_head(tmp_path / "head", digest, within=tmp_path), batch_size=16)
    images = job.validation[0]
    assert np.array_equal(score_images([read], job.views[0], images), score_images([head.scorer], job.views[0], images))


def test_changed_missing_and_foreign_files_are_refused(weights, tmp_path):
    path = tmp_path / "head"
    digest = write_head(path, weights)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CxrbenchError, match="its SHA-256 is not that of its entry"):
        read_head(path, digest, within=tmp_path)
    with pytest.raises(CxrbenchError, match="cannot be read"):
        read_head(tmp_path / "nowhere", digest, within=tmp_path)
    for content in (b"no safetensors", save({"other": np.zeros(3)})):
        path.write_bytes(content)
        with pytest.raises(CxrbenchError, match="holds no head"):
            read_head(path, hashlib.sha256(content).hexdigest(), within=tmp_path)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "head").symlink_to(path)
    with pytest.raises(CxrbenchError, match="links to a file outside"):
        read_head(tmp_path / "inside" / "head", digest, within=tmp_path / "inside")
