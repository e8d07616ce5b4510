"""Runs on a full file system."""

from __future__ import annotations

import os
import subprocess

import pytest

MEGABYTE = 2**20


@pytest.fixture
def tight(place):
    """Return a place on its own file system of 50 MB, or skip."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", place.folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place.folder], check=True)


def fill(place, left):
    """Fill the file system except for `left` bytes; return the file that fills it."""
    ballast = place.folder / "ballast"
    status = os.statvfs(place.folder)
    with ballast.open("wb") as file:
        free = status.f_bavail * status.f_frsize - left
        while free > 0:
            free -= file.write(bytes(min(free, MEGABYTE)))
    return ballast


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.7, 0.8])
@pytest.mark.parametrize("temporary", ["elsewhere", "there, too"])
def test_a_full_disk_ends_a_run_with_one_message_and_it_resumes(tight, small, undisturbed, same_result, share, *, temporary):
    ballast = fill(tight, int(share * undisturbed.size))
    there = {} if temporary == "elsewhere" else {"TMPDIR": str(tight.folder)}
    check_message(tight.call(*small, **there))
    ballast.unlink()
    resumed = tight.call(*small, **there)
    assert resumed.returncode == 0, resumed.stderr
    same_result(tight)


@pytest.mark.long
def test_a_run_that_needs_more_than_50_mb_resumes_on_a_larger_disk(tight, small, place_at, tmp_path_factory):
    large = (*small, "--image-size", "320", "--no-controls", "--trials", "2", "--folds", "1")
    check_message(tight.call(*large))
    subprocess.run(["mount", "-o", "remount,size=500m", tight.folder], check=True)
    resumed = tight.call(*large)
    assert resumed.returncode == 0, resumed.stderr
    elsewhere = place_at(tmp_path_factory.mktemp("elsewhere"))
    assert elsewhere.call(*large).returncode == 0
    assert tight.files("*/predictions/*.csv") == elsewhere.files("*/predictions/*.csv")
    assert tight.entries().keys() == elsewhere.entries().keys()


def check_message(ended):
    """Assert that a run ended because the disk is full, with one message of one line."""
    assert ended.returncode in {1, 2}, ended
    assert "Traceback" not in ended.stderr
    (error,) = [line for line in ended.stderr.splitlines() if "No space left" in line]
    assert error.startswith("error: ")
