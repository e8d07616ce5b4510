from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import affine_transform

from cxrbench.data.audit import index, transformed
from cxrbench.data.audit.compared import ComparedImages, found_pairs
from cxrbench.data.audit.transformed import FINE_SIDE, transformed_copies
from cxrbench_datasets.phantom import load as load_phantom

SIZE = 160
FILLS = {"black": ("constant", 0), "white": ("constant", 255), "edge": ("nearest", 0)}


@pytest.fixture(scope="module")
def chests():
    """Draw 40 images, each of another patient, of SIZE pixels."""
    phantom = load_phantom(images=90, size=SIZE)
    first = {record.patient: record.key for record in reversed(phantom.records)}
    return [np.asarray(phantom.read(key)) for key in sorted(first.values())[:40]]


def thumbnail(image):
    square = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(square.resize((FINE_SIDE, FINE_SIDE), Image.Resampling.BOX))


def small(images):
    return np.stack([thumbnail(image) for image in images])


def moved(image, *, angle=0, shift=(0, 0), zoom=1, fill="black"):
    """Rotate by degrees, then shift by shares of a side and enlarge."""
    mode, grey = FILLS[fill]
    turn = np.deg2rad(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / zoom
    centre = (np.array(image.shape) - 1) / 2
    offset = centre - matrix @ (centre + np.array(shift) * image.shape)
    return affine_transform(image, matrix, offset, order=1, mode=mode, cval=grey)


def as_jpeg(image, quality=50):
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def every_pair(pairs):
    return np.ones(len(pairs), dtype=bool)


def copies_among(images, others=None):
    """Return the pairs, and quarter turns and mirroring of each."""
    found = transformed_copies(small(images), None if others is None else small(others), every_pair)
    return list(zip(map(tuple, found.pairs.tolist()), found.quarters.tolist(), found.mirrored.tolist(), strict=True))


def test_different_chests_are_not_copies(chests):
    assert copies_among(chests) == []


def test_no_images_have_no_copies(chests):
    nothing = np.zeros((0, FINE_SIDE, FINE_SIDE), dtype=np.uint8)
    for pair in ((nothing, None), (nothing, small(chests)), (small(chests), nothing)):
        assert len(transformed_copies(*pair, every_pair).pairs) == 0


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(("kind", "most"), [("angle", 5), ("shift", 0.05), ("zoom", 0.1)], ids=["rotated", "shifted", "zoomed"])
def test_a_single_small_change_of_place_is_found(chests, kind, most, fill):
    generator = np.random.default_rng(0)
    changes = generator.uniform(-most, most, (12, 2))
    values = {"angle": changes[:, 0], "shift": changes.tolist(), "zoom": 1 + changes[:, 0]}[kind]
    changed = [moved(image, fill=fill, **{kind: value}) for image, value in zip(chests, values, strict=False)]
    assert copies_among([*chests, *changed]) == [((row, 40 + row), 0, False) for row in range(12)]
    assert copies_among(changed, chests) == [((row, row), 0, False) for row in range(12)]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: moved(image, angle=5, fill="white"),
        lambda image: moved(image, angle=-5),
        lambda image: moved(image, shift=(0.05, -0.05), fill="edge"),
        lambda image: moved(image, zoom=1.1),
        lambda image: moved(image, zoom=0.9, fill="white"),
    ],
    ids=["left", "right", "corner", "larger", "smaller"],
)
def test_the_largest_change_of_place_is_found(chests, change):
    assert copies_among([*chests, change(chests[7])]) == [((7, 40), 0, False)]


@pytest.mark.parametrize(
    ("change", "quarters", "mirrored"),
    [
        (lambda image: image[:, ::-1], 0, True),
        (lambda image: as_jpeg(image[:, ::-1]), 0, True),
        (lambda image: 255 - image[:, ::-1], 0, True),
        (lambda image: moved(image[:, ::-1], angle=3), 0, True),
        (lambda image: moved(image, angle=3)[:, ::-1], 0, True),
        (lambda image: ((image[:, ::-1] / 255) ** 1.4 * 255).astype(np.uint8), 0, True),
        (np.rot90, 1, False),
        (lambda image: np.rot90(image, 2), 2, False),
        (lambda image: np.rot90(image, 3), 3, False),
        (lambda image: image[::-1], 2, True),
        (lambda image: image.T, 3, True),
        (lambda image: np.asarray(Image.fromarray(image).rotate(1, Image.Resampling.BILINEAR, expand=True)), 0, False),
        (lambda image: np.asarray(Image.fromarray(image).rotate(-3, Image.Resampling.BILINEAR, expand=True)), 0, False),
        (lambda image: image[:, 8:], 0, False),
        (lambda image: image[: -SIZE // 20], 0, False),
        (lambda image: as_jpeg(255 - moved(image, shift=(0.03, 0.02), fill="edge")), 0, False),
        (lambda image: moved(image, angle=1, shift=(0.02, -0.01), zoom=1.02), 0, False),
    ],
    ids=[
        *("mirrored", "mirrored JPEG", "mirrored negative", "mirrored then turned", "turned then mirrored"),
        *("mirrored brighter", "90", "180", "270", "flipped", "transposed", "expanded 1", "expanded 3"),
        *("cropped left", "cropped bottom", "shifted negative JPEG", "all at once"),
    ],
)
def test_a_copy_is_found_as_what_it_is(chests, change, quarters, mirrored):
    (found,) = copies_among([*chests, np.ascontiguousarray(change(chests[5]))])
    pair, turns, flipped = found
    assert pair == (5, 40)
    assert (turns, flipped) == (quarters, mirrored) or (-turns % 4, flipped) == (quarters, mirrored)


def test_only_wanted_pairs_are_looked_at(chests):
    images = small([*chests, chests[3][:, ::-1], chests[9][:, ::-1]])
    found = transformed_copies(images, None, lambda pairs: pairs[:, 0] == 9)
    assert found.pairs.tolist() == [[9, 41]]


def test_no_pair_is_lost_between_blocks(chests, monkeypatch):
    images = [*chests[:20], *(image[:, ::-1] for image in chests[:20]), *(image[::-1] for image in chests[:9])]
    whole = copies_among(images)
    assert len(whole) == 20 + 9 + 9
    for name, number in (("COMPARED_ROWS", 7), ("ORIENTED_PAIRS", 3), ("REGISTERED_PAIRS", 2)):
        monkeypatch.setattr(transformed, name, number)
    monkeypatch.setattr(index, "COMPARED", 9)
    assert copies_among(images) == whole


def test_a_pair_is_near_or_transformed_but_not_both(chests):
    changed = [as_jpeg(chests[0]), chests[1][:, ::-1], moved(chests[2], angle=4), chests[3][::-1]]
    fine = small([*chests, *changed])
    coarse = fine.reshape(-1, 32, 2, 32, 2).mean(axis=(2, 4)).astype(np.uint8)
    rows = np.arange(len(fine)) + 100
    found = found_pairs(ComparedImages(rows=rows, small=coarse, fine=fine), None, every_pair)
    assert [(each.how.partition(" ")[0], each.pairs.tolist()) for each in found] == [
        ("", [[100, 140]]),
        ("mirrored", [[101, 141]]),
        ("rotated,", [[102, 142]]),
        ("turned", [[103, 143]]),
    ]
