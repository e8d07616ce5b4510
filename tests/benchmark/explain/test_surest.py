"""The test images that a row is surest of, and those that its heads learnt from in another form."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cxrbench.benchmark.explain.surest import by_outcome, choose_surest, unlearnt_reader
from cxrbench.config.protocol import Protocol
from cxrbench.config.protocol_settings import ProtocolSettings
from cxrbench.config.settings import Settings
from cxrbench.data.decoding.decode import examine
from cxrbench.data.decoding.image_bytes import digest_of
from cxrbench.errors import ConfigError
from cxrbench.evaluation.predictions import Predictions
from cxrbench.plugin.contracts import Images

SIZE = 32
SCORES = {
    "a": (1, 0.9),
    "b": (1, 0.99),
    "c": (1, 0.2),
    "d": (0, 0.1),
    "e": (0, 0.05),
    "f": (0, 0.7),
    "g": (1, 0.9),
    "h": (1, 0.1),
}
"""Label and score of each image."""


def predictions(fold, threshold, keys):
    labels, scores = zip(*(SCORES[key] for key in keys), strict=True)
    return Predictions(
        subset="test",
        fold=fold,
        seed=0,
        keys=np.array(list(keys)),
        patients=np.array(list(keys)),
        labels=np.array(labels),
        scores=np.array(scores),
        threshold=threshold,
    )


@pytest.fixture(scope="module")
def protocol():
    given = {"dataset": "ward", "fingerprint": "f" * 64, "split": "grouped", "engine": "optuna"}
    return Protocol(
        **{**{name: getattr(Settings(), name) for name in ProtocolSettings.model_fields}, **given, "image_size": SIZE}
    )


@pytest.fixture
def files(tmp_path):
    """Write an image of noise for each key; return the folder."""
    for number, key in enumerate(SCORES):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{key}.png")
    return tmp_path


@pytest.fixture
def reader(files, protocol):
    """Return a function that makes the reader of all images, given those that are not test images, by their part."""

    def make(**parts):
        found = {key: part for part, keys in parts.items() for key in keys}
        digests = {digest_of((files / f"{key}.png").read_bytes()): found.get(key, "test") for key in SCORES}
        images = Images(name="ward", records=(), read=lambda key: files / f"{key}.png")
        return unlearnt_reader(images, [digests], protocol)

    return make


def keys_of(surest):
    return [(scored.outcome, scored.key) for scored, _ in surest.images]


def test_surest_come_first_and_equal_scores_by_key():
    found = by_outcome([predictions(0, 0.5, "gabc"), predictions(1, 0.08, "fdeh")])
    assert {outcome: [one.key for one in images] for outcome, images in found.items()} == {
        "true positive": ["b", "a", "g", "h"],  # the threshold of the second fold makes h positive
        "true negative": ["e"],
        "false positive": ["f", "d"],
        "false negative": ["c"],
    }
    assert {(one.key, one.fold) for one in found["true positive"]} == {("b", 0), ("a", 0), ("g", 0), ("h", 1)}


def test_a_handful_of_each_outcome_is_chosen(reader):
    surest = choose_surest([predictions(0, 0.5, SCORES)], reader(), most=2)
    assert keys_of(surest) == [
        ("true positive", "b"),
        ("true positive", "a"),
        ("true negative", "e"),
        ("true negative", "d"),
        ("false positive", "f"),
        ("false negative", "h"),
        ("false negative", "c"),
    ]
    assert surest.counts == {"true positive": 3, "true negative": 2, "false positive": 1, "false negative": 2}
    assert [image.number for _, image in surest.images] == [1, 2, 3, 4, 5, 6, 7]
    assert [image.name for _, image in surest.images] == list("baedfhc")


@pytest.mark.parametrize("part", ["train", "validation"])
def test_images_that_the_heads_learnt_from_are_left_out(reader, part):
    surest = choose_surest([predictions(0, 0.5, SCORES)], reader(**{part: "bf"}), most=2)
    assert [key for outcome, key in keys_of(surest) if outcome == "true positive"] == ["a", "g"]
    assert "false positive" not in dict(keys_of(surest))
    assert surest.counts["false positive"] == 1


def test_images_with_the_pixels_of_a_learnt_one_are_left_out(files, protocol):
    data = {key: (files / f"{key}.png").read_bytes() for key in SCORES}
    parts = {digest_of(one): "test" for one in data.values()}
    parts[examine(data["b"], size=SIZE, resize="stretch")[1].pixels] = "train"
    images = Images(name="ward", records=(), read=lambda key: files / f"{key}.png")
    read = unlearnt_reader(images, [parts], protocol)
    assert ("true positive", "b") not in keys_of(choose_surest([predictions(0, 0.5, SCORES)], read))


def test_other_images_than_those_of_the_run_are_refused(files, reader):
    read = reader()
    Image.fromarray(np.zeros((SIZE, SIZE), dtype=np.uint8)).save(files / "b.png")
    with pytest.raises(ConfigError, match=r"ward has not the images of this row: b is not the image that was scored\."):
        choose_surest([predictions(0, 0.5, SCORES)], read)
    (files / "b.png").unlink()
    with pytest.raises(ConfigError, match=r"this row: b: .*Name the dataset of the run: --data NAME\|PATH"):
        choose_surest([predictions(0, 0.5, SCORES)], read)
