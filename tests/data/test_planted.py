"""One defect among many clean images is found, and nothing else is."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.audit.audit import audit
from cxrbench.data.decoding.pixels import Decoding
from cxrbench.data.split import split_dataset
from cxrbench.errors import DataError
from cxrbench.plugin import Images, Record
from cxrbench_datasets.phantom import load as load_phantom

SIDE = 64
AMONG = 400
"""Clean images around a defect."""
CLEAN = 1000
"""Clean images among which nothing is found, in a long run."""


@pytest.fixture(scope="module")
def clean(long):
    """Draw images as PNG files, with records, each of its own patient, in the parts of a source; the last is extra."""
    phantom = load_phantom(images=(CLEAN if long else AMONG) + 1, size=SIDE)
    pixels = [np.asarray(phantom.read(record.key)) for record in phantom.records]
    contents = {f"{row:04d}.png": saved(image) for row, image in enumerate(pixels)}
    parts = ["train"] * 3 + ["val"] * 5 + ["test"] * 2
    records = [
        Record(key=key, label=record.label, patient=key, split=parts[row % 10])
        for row, (key, record) in enumerate(zip(contents, phantom.records, strict=True))
    ]
    return contents, records[:AMONG], records[-1], records[:-1]


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def opened(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def findings(clean, load):
    """Return what is found when contents and records are added to the clean ones, or put in the place of some."""

    def find(contents=(), records=(), *, among=clean[1], split_name="official", **options):
        known = clean[0] | dict(contents)
        listed = {record.key: record for record in (*among, *records)}
        images = Images(name="planted", records=list(listed.values()), read=lambda key: known[key])
        dataset = load(images, Decoding(size=SIDE, resize="stretch", threads=2))
        splits = split_dataset(dataset, split_name, 0)
        return audit(dataset, splits, split_name=split_name, **{"allow_leak": True, **options})

    return find


def told(found, but=""):
    return [(one.check, one.severity, one.count, sorted(one.examples)) for one in found.findings if one.check != but]


@pytest.fixture
def pair(clean):
    """Return a training image's record and one like it under another key, of another patient, in the test part."""
    image = clean[1][0]
    return image, replace(image, key="copy.png", patient="somebody else", split="test")


def test_clean_images_are_clean(findings, clean):
    assert findings(among=clean[3], allow_leak=False).verdict == "clean"


def as_jpeg(content, quality=60):
    return saved(opened(content), "JPEG", quality=quality)


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("byte-identical", lambda content: content),
        ("pixel-identical", lambda content: saved(opened(content), "BMP")),
        ("near-duplicates", lambda content: as_jpeg(content, 30)),
        ("near-duplicates", lambda content: saved(np.asarray(Image.fromarray(opened(content)).resize((150, 150))))),
        ("near-duplicates", lambda content: saved(((opened(content) / 255) ** 0.7 * 255).astype(np.uint8))),
        ("near-duplicates", lambda content: saved(255 - opened(content))),
    ],
    ids=["file", "pixels", "jpeg", "rescaled", "brighter", "negative"],
)
def test_a_copy_in_train_and_test(findings, clean, pair, check, change):
    found = findings({"copy.png": change(clean[0][pair[0].key])}, [pair[1]])
    odd = "odd-file" if check == "near-duplicates" else ""
    assert told(found, but=odd) == [(check, "leak", 2, ["0000.png", "copy.png"])]


def test_a_patient_in_train_and_test(findings, clean):
    other = next(record for record in clean[1] if record.split == "test")
    found = findings(records=[replace(other, patient=clean[1][0].patient)])
    assert told(found) == [("shared-patients", "leak", 2, sorted(["0000.png", other.key]))]


@pytest.mark.parametrize("same_patient", [True, False])
@pytest.mark.parametrize("change", [lambda content: content, as_jpeg])
def test_a_mislabelled_twin(findings, clean, pair, same_patient, change):
    image, copy = pair
    patient = image.patient if same_patient else copy.patient
    twin = replace(copy, patient=patient, split="train", label=1 - image.label)
    found = findings({"copy.png": change(clean[0][image.key])}, [twin])
    assert told(found) == [("two-labels", "conflict", 2, ["0000.png", "copy.png"])]


def test_an_inverted_image_of_16_bits(findings, clean):
    contents, _, extra, _ = clean
    odd = 65535 - opened(contents[extra.key]).astype(np.uint16) * 257
    sixteen, negative = findings({extra.key: saved(odd)}, [extra]).findings
    assert {sixteen.check, negative.check} == {"odd-file"}
    assert sixteen.examples == negative.examples == (extra.key,)
    assert "1 of 401 files have more than 8 bits" in sixteen.message
    assert "1 of 401 files look inverted" in negative.message


def test_grouped_keeps_copies_together_with_a_note(findings, clean, pair):
    found = findings({"copy.png": clean[0][pair[0].key]}, [pair[1]], split_name="grouped", allow_leak=False)
    assert told(found, but="small-validation") == [("byte-identical", "note", 2, ["0000.png", "copy.png"])]


def test_paper_permits_copies_but_no_conflicting_labels(findings, clean, pair):
    image, copy = pair
    copies = [replace(copy, key=f"copy{number}.png", patient=f"copy{number}") for number in range(12)]
    contents = {one.key: clean[0][image.key] for one in copies}
    (finding,) = told(findings(contents, copies, split_name="paper", allow_leak=False), but="small-validation")
    assert finding[:3] == ("byte-identical", "warning", 13)
    with pytest.raises(DataError, match="2 images have a copy or near-duplicate with the other label"):
        findings(
            {"copy.png": clean[0][image.key]},
            [replace(copy, label=1 - image.label)],
            split_name="paper",
            allow_leak=False,
        )


def test_a_leak_stops_with_its_number_the_keys_and_what_to_do(findings, clean, pair):
    with pytest.raises(DataError, match=r"planted: 2 images on both sides .* byte for byte \(0000\.png, copy\.png\).*--allow"):
        findings({"copy.png": clean[0][pair[0].key]}, [pair[1]], allow_leak=False)


def test_an_image_that_is_also_in_another_dataset(findings, clean, load):
    contents, records, extra, _ = clean
    theirs = {"a.png": contents[extra.key], "b.jpeg": saved(opened(contents[records[5].key]), "JPEG", quality=50)}
    listed = [Record(key=key, label=0, patient=key) for key in theirs]
    other = load(
        Images(name="elsewhere", records=listed, read=lambda key: theirs[key]), Decoding(size=SIDE, resize="pad", threads=1)
    )
    (finding,) = findings(others=[other]).findings
    assert (finding.check, finding.severity, finding.examples) == ("other-dataset", "leak", (records[5].key,))
    assert "elsewhere" in finding.message
    found = findings(others=[other], records=[extra])
    assert [one.count for one in found.findings] == [2]


def shifted(content):
    return saved(np.pad(opened(content), ((3, 0), (0, 2)), constant_values=255)[:-3, 2:])


def mirrored(content):
    return saved(np.ascontiguousarray(opened(content)[:, ::-1]))


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (mirrored, "are copies of each other, mirrored"),
        (shifted, "are copies of each other, rotated, shifted, zoomed or cropped"),
        (lambda content: saved(opened(content)[::-1]), "turned by 90 or 180 degrees or flipped upside down"),
    ],
    ids=["mirrored", "shifted", "upside down"],
)
def test_a_transformed_copy_in_train_and_test(findings, clean, pair, change, how):
    found = findings({"copy.png": change(clean[0][pair[0].key])}, [pair[1]])
    assert told(found) == [("transformed-copies", "leak", 2, ["0000.png", "copy.png"])]
    assert how in found.findings[0].message
    assert "both sides" in found.findings[0].message


def test_transformed_copies_stop_with_what_to_do(findings, clean, pair):
    with pytest.raises(DataError, match=r"mirrored \(0000\.png, copy\.png\)\. What to do: remove one image of each pair"):
        findings({"copy.png": mirrored(clean[0][pair[0].key])}, [pair[1]], allow_leak=False)


def test_transformed_copies_in_one_set_are_a_note(findings, clean, pair):
    found = findings({"copy.png": mirrored(clean[0][pair[0].key])}, [replace(pair[1], split="train")])
    assert told(found) == [("transformed-copies", "note", 2, ["0000.png", "copy.png"])]


def test_a_mirrored_image_of_the_same_patient_is_expected(findings, clean, pair):
    image, copy = pair
    same = replace(copy, patient=image.patient, split=image.split)
    assert told(findings({"copy.png": mirrored(clean[0][image.key])}, [same])) == []


def test_a_mirrored_twin_with_the_other_label(findings, clean, pair):
    image, copy = pair
    twin = replace(copy, patient=image.patient, split="train", label=1 - image.label)
    found = findings({"copy.png": mirrored(clean[0][image.key])}, [twin])
    assert told(found) == [("two-labels", "conflict", 2, ["0000.png", "copy.png"])]


def test_a_transformed_image_of_another_dataset(findings, clean, load):
    contents, records, _, _ = clean
    theirs = {"a.png": mirrored(contents[records[3].key]), "b.png": shifted(contents[records[5].key])}
    theirs |= {"c.png": saved(np.zeros((SIDE, SIDE), dtype=np.uint8))}
    listed = [Record(key=key, label=0, patient=key) for key in theirs]
    images = Images(name="elsewhere", records=listed, read=lambda key: theirs[key])
    other = load(images, Decoding(size=SIDE, resize="stretch", threads=1))
    found = findings({"black.png": theirs["c.png"]}, [Record(key="black.png", label=0, patient="b")], others=[other])
    assert told(found, but="blank") == [("other-dataset", "leak", 1, [records[row].key]) for row in (3, 5)]
    messages = [one.message for one in found.findings if one.check == "other-dataset"]
    assert "1 image also in elsewhere (mirrored), which" in messages[0]
    assert "1 image also in elsewhere (rotated, shifted, zoomed or cropped), which" in messages[1]


def test_blank_images_are_named_and_are_nothing_else(findings):
    black, half = np.zeros((SIDE, SIDE), dtype=np.uint8), np.full((SIDE, SIDE), 255, dtype=np.uint8)
    half[:, : SIDE // 2] = 0
    noise = np.random.default_rng(0).integers(8, 12, (4, SIDE, SIDE), dtype=np.uint8)
    images = [black, black, half, half[:, ::-1], black + 200, *noise]
    contents = {f"blank{row}.png": saved(np.ascontiguousarray(image)) for row, image in enumerate(images)}
    records = [
        Record(key=key, label=row % 2, patient=key, split=("train", "test", "val")[row % 3]) for row, key in enumerate(contents)
    ]
    found = findings(contents, records, allow_leak=False)
    assert told(found) == [("blank", "warning", 9, [f"blank{row}.png" for row in range(5)])]
    assert "9 of 409 images show nothing" in found.findings[0].message
