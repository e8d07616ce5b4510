from __future__ import annotations

import numpy as np
import pytest

from cxrbench.data.audit import index
from cxrbench.data.audit.descriptions import EVEN, VALUES
from cxrbench.data.audit.index import SIMILAR, index_of, similarities

WARPS = 3


def unit_vectors(generator, *shape):
    vectors = generator.normal(size=(*shape, VALUES)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def changed(generator, vectors, size):
    """Return unit vectors at a random angle: the larger `size`, the less similar."""
    moved = vectors + size * unit_vectors(generator, len(vectors))
    return moved / np.linalg.norm(moved, axis=-1, keepdims=True)


def queries_of(generator, known):
    """Return queries: under one of the warps, the first half is similar to the last rows of the known ones, mirrored or not."""
    queries = unit_vectors(generator, WARPS, 60)
    similar = changed(generator, known[-30:], 0.35)
    similar[::2, EVEN:] *= -1
    similar[::3] *= -1
    queries[np.arange(30) % WARPS, np.arange(30)] = similar
    return queries


def every_pair(queries, known, least):
    similar = np.max([similarities(of_warp, known) for of_warp in queries], axis=0) >= SIMILAR
    similar[:, :least] = False
    return [row.tolist() for row in np.nonzero(similar)]


def test_a_mirrored_or_inverted_image_is_as_similar():
    generator = np.random.default_rng(0)
    vectors = unit_vectors(generator, 8)
    mirrored = np.concatenate([vectors[:, :EVEN], -vectors[:, EVEN:]], axis=1)
    for other in (vectors, -vectors, mirrored, -mirrored):
        assert np.diag(similarities(vectors, other)) == pytest.approx(np.abs(vectors**2).sum(axis=1), abs=1e-6)


@pytest.mark.parametrize("least", [0, 375])
def test_all_pairs_of_few_images_are_compared(monkeypatch, least):
    monkeypatch.setattr(index, "GROUP", 25)  # 16 groups
    monkeypatch.setattr(index, "COMPARED", 64)
    generator = np.random.default_rng(1)
    known = unit_vectors(generator, 400)
    queries = queries_of(generator, known)
    rows, columns = index_of(known).similar(queries, least)
    assert [rows.tolist(), columns.tolist()] == every_pair(queries, known, least)
    assert len(rows) >= 20


def test_pairs_of_many_images_are_found_in_few_groups(monkeypatch):
    monkeypatch.setattr(index, "GROUP", 25)  # 80 groups, of which 16 are looked at
    generator = np.random.default_rng(2)
    known = changed(generator, np.repeat(unit_vectors(generator, 20), 100, axis=0), 1.0)
    queries = queries_of(generator, known)
    found = list(zip(*(part.tolist() for part in index_of(known).similar(queries, 0)), strict=True))
    wanted = set(zip(*every_pair(queries, known, 0), strict=True))
    assert found == sorted(set(found))
    assert set(found) <= wanted
    assert len(found) >= 0.95 * len(wanted) > 20


def test_nothing_is_similar_to_no_images():
    nothing = index_of(np.zeros((0, VALUES), dtype=np.float32))
    for rows in (0, 5):
        assert [len(part) for part in nothing.similar(np.zeros((WARPS, rows, VALUES), dtype=np.float32), 0)] == [0, 0]
