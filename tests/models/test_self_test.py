"""Ten drawn images with the results of a model: they tell a changed model, and a damaged file is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest

from cxrbench.errors import CxrbenchError
from cxrbench.models.classifier import Classifier
from cxrbench.models.self_test import TOLERANCE, SelfTest, difference, draw, make_self_test, read_self_test, write_self_test

SIZE = 48


def classifier_of(scale):
    """Return a classifier of two features: mean and spread of the pixels."""

    def features(images):
        return np.stack([images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3))], axis=1).astype(np.float32) / 50

    head = (
        np.eye(2, dtype=np.float32),
        np.zeros(2, np.float32),
        np.array([[scale], [-1]], np.float32),
        np.zeros(1, np.float32),
    )
    return Classifier(name="two", backbone=features, compiled=features, head=head, threshold=0.5, size=SIZE, resize="stretch")


def test_the_drawn_images_are_always_the_same_and_all_differ():
    images = draw(SIZE)
    assert images.shape == (10, SIZE, SIZE)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, draw(SIZE))
    assert len({image.tobytes() for image in images}) == 10


def test_the_drawn_images_range_from_dark_to_bright():
    means, spreads = (getattr(draw(SIZE).astype(float), name)(axis=(1, 2)) for name in ("mean", "std"))
    assert means.min() < 60
    assert means.max() > 150
    assert spreads.min() > 20


def test_the_same_model_passes_and_a_changed_one_does_not(tmp_path):
    write_self_test(tmp_path / "self_test.npz", make_self_test(classifier_of(1.0)))
    stored = read_self_test(tmp_path / "self_test.npz", within=tmp_path)
    np.testing.assert_allclose(stored.scores, 1 / (1 + np.exp(-stored.logits)))
    assert difference(classifier_of(1.0), stored) == 0
    assert difference(classifier_of(1.00001), stored) < TOLERANCE["float32"]
    assert difference(classifier_of(1.01), stored) > TOLERANCE["float32"]


def test_a_difference_is_seen_where_scores_are_all_one():
    images = draw(SIZE)
    logits = classifier_of(1000.0).logits(images)
    stored = SelfTest(images=images, logits=logits * 1.1, scores=np.ones(10))
    assert (classifier_of(1000.0).scores(images) == 1).all()
    assert difference(classifier_of(1000.0), stored) > TOLERANCE["float32"]


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


GOOD = {"images": np.zeros((10, 8, 8), np.uint8), "logits": np.zeros(10), "scores": np.zeros(10)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        npz(**GOOD)[:-30],
        npz(images=GOOD["images"], scores=GOOD["scores"]),
        npz(**GOOD | {"logits": np.zeros(9)}),
        npz(**GOOD | {"images": np.zeros((10, 8, 8))}),
        npz(**GOOD | {"logits": np.array([{}] * 10)}),
        npz(**GOOD | {"images": np.zeros((2**27,), np.uint8)}),
    ],
    ids=["empty", "text", "cut", "no-logits", "too-few", "not-bytes", "pickled", "large"],
)
def test_what_is_no_self_test_is_refused(content, tmp_path):
    (tmp_path / "self_test.npz").write_bytes(content)
    with pytest.raises(CxrbenchError, match=r"self_test\.npz"):
        read_self_test(tmp_path / "self_test.npz", within=tmp_path)
