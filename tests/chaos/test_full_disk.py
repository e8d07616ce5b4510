"""Runs on a full disk."""

from __future__ import annotations

import os
import subprocess

import pytest

MEGABYTE = 2**20


@pytest.fixture
def small_disk(workspace):
    """Return a workspace on a separate file system of 50 MB, or skip."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", workspace.folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield workspace
    subprocess.run(["umount", "--lazy", workspace.folder], check=True)


def fill(workspace, left):
    """Fill the disk up to `left` free bytes; return the file that fills it."""
    ballast = workspace.folder / "ballast"
    status = os.statvfs(workspace.folder)
    with ballast.open("wb") as file:
        free = status.f_bavail * status.f_frsize - left
        while free > 0:
            free -= file.write(bytes(min(free, MEGABYTE)))
    return ballast


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.7, 0.8])
@pytest.mark.parametrize("temporary", ["elsewhere", "there, too"])
def test_a_full_disk_ends_a_run_with_one_message_and_it_resumes(
    small_disk, small, uninterrupted, same_result, share, *, temporary
):
    ballast = fill(small_disk, int(share * uninterrupted.size))
    there = {} if temporary == "elsewhere" else {"TMPDIR": str(small_disk.folder)}
    check_message(small_disk.call(*small, **there))
    ballast.unlink()
    resumed = small_disk.call(*small, **there)
    assert resumed.returncode == 0, resumed.stderr
    same_result(small_disk)


@pytest.mark.long
def test_a_run_of_over_fifty_megabytes_resumes_given_room(small_disk, small, make_workspace, tmp_path_factory):
    large = (*small, "--image-size", "320", "--no-controls", "--trials", "2", "--folds", "1")
    check_message(small_disk.call(*large))
    subprocess.run(["mount", "-o", "remount,size=500m", small_disk.folder], check=True)
    resumed = small_disk.call(*large)
    assert resumed.returncode == 0, resumed.stderr
    elsewhere = make_workspace(tmp_path_factory.mktemp("elsewhere"))
    assert elsewhere.call(*large).returncode == 0
    assert small_disk.files("*/predictions/*.npz") == elsewhere.files("*/predictions/*.npz")
    assert small_disk.entries().keys() == elsewhere.entries().keys()


def check_message(ended):
    """Assert that a run ended because of a full disk, with one message in one line."""
    assert ended.returncode in {1, 2}, ended
    assert "Traceback" not in ended.stderr
    (error,) = [line for line in ended.stderr.splitlines() if "No space left" in line]
    assert error.startswith("error: ")
