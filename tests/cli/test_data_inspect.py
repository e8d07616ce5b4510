"""`cxrbench data inspect` shows what a run would work with."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture
def ward(workspace):
    """A manifest of 400 images that do not exist, with everything that a table may say."""
    splits, views, sexes = ("test", "train"), ("PA", "AP", "AP"), ("F", "", "", "", "")
    rows = [
        f"{row}.png,{row % 2},p{row // 2},{splits[row <= 320]},{views[row % 3]},{sexes[row % 5]},{row % 80:03d}Y"
        for row in range(400)
    ]
    (workspace.folder / "ward.csv").write_text("\n".join(["path,label,patient,split,view,sex,age", *rows]))
    return "ward.csv"


def table(text, start):
    """Return the words of a table, from the line that starts with some words."""
    lines = [line.split() for line in text.partition(start)[2].splitlines()]
    end = next(number for number, words in enumerate(lines) if number > 2 and not words)
    return lines[2:end]


def test_phantoms_are_shown_with_their_parts_and_notice(run_here):
    result = run_here("data", "inspect", "phantom:images=420,size=64", "--image-size", 64)
    assert result.returncode == 0, result.stderr
    assert "SYNTHETIC" in result.stdout
    assert "images: 420" in result.stdout
    words = [line.split() for line in result.stdout.splitlines()]
    rows = [row for row in words if row[:1] in (["train"], ["validation"], ["test"])]
    assert [row[0] for row in rows] == ["train", "validation", "test"]
    assert sum(int(row[1]) for row in rows) == 420
    assert all(int(row[2]) + int(row[3]) == int(row[1]) for row in rows)
    assert ["grouped", "images", "NORMAL", "PNEUMONIA", "patients"] in words


def test_tables_are_counted_without_opening_an_image(run_here, ward):
    result = run_here("data", "inspect", ward)
    assert result.returncode == 0, result.stderr
    assert "fingerprint" not in result.stdout + result.stderr
    rows = table(result.stdout, "source's split  view  sex")
    shown = [row for row in range(321) if row % 3 and row % 5]
    counts = len(shown), sum(row % 2 == 0 for row in shown), sum(row % 2 for row in shown), len({row // 2 for row in shown})
    assert rows[0] == ["train", "AP", "unknown", *map(str, counts)]
    assert rows[-1] == ["all", "400", "200", "200", "200"]
    assert [row[:3] for row in rows[1:-1]][:4] == [
        ["train", "PA", "unknown"],
        ["train", "AP", "F"],
        ["train", "PA", "F"],
        ["test", "AP", "unknown"],
    ]
    assert table(result.stdout, "age in years") == [["NORMAL", "0", "39", "78", "0"], ["PNEUMONIA", "1", "40", "79", "0"]]
    assert "No image was opened. --sizes opens them" in result.stderr


def test_sizes_open_the_images_and_name_the_unreadable(run_here, workspace, write_images):
    folder = write_images("set", 210, 210)
    (folder / "NORMAL" / "broken.jpeg").write_text("no image")
    result = run_here("data", "inspect", "set", "--sizes", "--image-size", 32)
    assert result.returncode == 0, result.stderr
    assert "skipped files: 1" in result.stdout
    assert "skipped: NORMAL/broken.jpeg is not an image of a known format" in result.stderr
    assert table(result.stdout, "pixels") == [["NORMAL", *["40"] * 6], ["PNEUMONIA", *["40"] * 6]]
    assert "No image was opened" not in result.stderr


def test_a_sheet_shows_images_unless_their_licence_restricts_it(run_here, workspace, write_images):
    write_images("set", 210, 210)
    result = run_here("data", "inspect", "set", "--sheet", "sheet.png")
    assert result.returncode == 0, result.stderr
    assert "wrote 12 images to sheet.png" in result.stderr
    with Image.open(workspace.folder / "sheet.png") as sheet:
        assert sheet.format == "PNG"
    again = run_here("data", "inspect", "set", "--sheet", "sheet.png")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    refused = run_here("data", "inspect", "folder:source=set,licence=credentialed", "--sheet", "other.png")
    assert (refused.returncode, "--sheet shows no image of set" in refused.stderr) == (2, True)
    assert not (workspace.folder / "other.png").exists()
    allowed = run_here(
        "data", "inspect", "folder:source=set,licence=credentialed", "--sheet", "other.png", "--i-may-show-images"
    )
    assert allowed.returncode == 0, allowed.stderr
    assert (workspace.folder / "other.png").is_file()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--sheet", "sheet.jpg"), "name a file that ends in .png"),
        (("--i-may-show-images",), "--i-may-show-images is for --sheet alone"),
    ],
)
def test_flags_of_a_sheet_that_make_no_sense_are_refused(run_here, flags, words):
    result = run_here("data", "inspect", "sample", *flags)
    assert (result.returncode, words in result.stderr) == (2, True)


def test_an_unknown_path_is_an_error(run_here):
    result = run_here("data", "inspect", "nowhere")
    assert result.returncode == 2
    assert "no such file or folder" in result.stderr
