"""`cxrbench data inspect` shows what a run would work with."""

from __future__ import annotations


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


def test_an_unknown_path_is_an_error(run_here):
    result = run_here("data", "inspect", "nowhere")
    assert result.returncode == 2
    assert "no such file or folder" in result.stderr
