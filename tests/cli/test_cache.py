"""The cache on disk: its size, its limit, and repair of damage."""

from __future__ import annotations

import hashlib
import shutil

import pytest

CLEAN = (
    *("run", "--data", "phantom:images=1100,size=64", "--image-size", "64", "--backbone", "random-convnet"),
    *("--augmentation", "none", "--imbalance", "none", "--no-controls", "--trials", "1", "--epochs", "1", "--workers", "1"),
)


@pytest.fixture(scope="module")
def cached(make_workspace, tmp_path_factory):
    """Run once to fill the cache."""
    workspace = make_workspace(tmp_path_factory.mktemp("cached"))
    assert workspace.call(*CLEAN).returncode == 0
    return workspace


@pytest.fixture
def kept(cached, make_workspace, tmp_path):
    """Return a copy of the workspace with the filled cache."""
    shutil.copytree(cached.folder, tmp_path / "copy")
    return make_workspace(tmp_path / "copy")


def digests_of(workspace):
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (workspace.folder / "home" / "features").glob("*/rows.raw")
    }


def flip(path, position):
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


@pytest.mark.long
def test_a_damaged_cache_is_repaired_with_a_warning(kept):
    whole = digests_of(kept)
    (images,) = (kept.folder / "home" / "images").glob("*/rows.raw")
    (features,) = (kept.folder / "home" / "features").glob("*/rows.raw")
    flip(images, images.stat().st_size // 2)
    flip(features, 0)
    again = kept.call(*CLEAN, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert "warning: images: 1 of 3 parts were damaged on disk and are decoded again" in again.stderr
    assert "warning: features, random-convnet: 1 of 3 parts were damaged on disk and are extracted again" in again.stderr
    assert digests_of(kept) == whole
    assert [*kept.files("*/predictions/*.csv").values()] == [*kept.files("*/predictions/*.csv", "again").values()]


def test_cache_info_and_clear_say_what_is_there(kept):
    info = kept.call("cache", "info")
    assert info.returncode == 0
    assert f"folder: {kept.folder / 'home'}" in info.stdout
    assert "limit: 50 GB" in info.stdout
    (images,) = (line.split() for line in info.stdout.splitlines() if line.strip().startswith("images"))
    assert images[1:5] == ["1", "0.005", "GB", "0"]
    cleared = kept.call("cache", "clear")
    assert cleared.stdout == "removed 2 folders, 0.007 GB\n"
    assert "images    0" in kept.call("cache", "info").stdout


def test_the_limit_is_kept_but_not_at_the_cost_of_what_is_in_use(kept):
    again = kept.call(*CLEAN, "--seed", "1", CXRBENCH_CACHE_GB="0.005")
    assert again.returncode == 0
    assert "more than --cache-gb 0.005" in again.stderr
    info = kept.call("cache", "info", CXRBENCH_CACHE_GB="0.005").stdout
    rows = {line.split()[0]: line.split()[1] for line in info.splitlines() if line.strip().startswith(("images", "features"))}
    assert rows == {"images": "1", "features": "1"}
