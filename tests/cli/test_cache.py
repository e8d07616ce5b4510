"""The cache on disk: its size, its limit, and repair of damage."""

from __future__ import annotations

import hashlib
import shutil

import pytest

RUN = (
    *("run", "--data", "images", "--image-size", 64, "--backbone", "random-convnet", "--augmentation", "none"),
    *("--imbalance", "none", "--no-controls", "--trials", 1, "--epochs", 1, "--workers", 0, "--offline"),
)


@pytest.fixture(scope="module")
def cached(make_workspace, tmp_path_factory, draw_images, tensorflow_ready):
    """Run once to fill the cache with three shards of images and of features."""
    workspace = make_workspace(tmp_path_factory.mktemp("cached"))
    draw_images(workspace.folder / "images", 550, 550)
    assert workspace.call_here(*RUN).returncode == 0
    return workspace


@pytest.fixture
def home(cached, workspace):
    """Copy the run with the filled cache; return the folder of the cache."""
    shutil.copytree(cached.folder, workspace.folder, dirs_exist_ok=True)
    return workspace.folder / "home"


def digests_of(home):
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in home.glob("features/*/rows.raw")}


def flip(path, position):
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def test_a_damaged_cache_is_repaired_with_a_warning(home, run_here, workspace):
    whole = digests_of(home)
    (images,), (features,) = (list(home.glob(f"{kind}/*/rows.raw")) for kind in ("images", "features"))
    flip(images, images.stat().st_size // 2)
    flip(features, 0)
    again = run_here(*RUN, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert "warning: images: 1 of 3 parts were damaged on disk and are decoded again" in again.stderr
    assert "warning: features, random-convnet: 1 of 3 parts were damaged on disk and are extracted again" in again.stderr
    assert digests_of(home) == whole
    assert [*workspace.files("*/predictions/*.npz").values()] == [*workspace.files("*/predictions/*.npz", "again").values()]


def test_cache_info_and_clear_say_what_is_there(home, run_here):
    info = run_here("cache", "info")
    assert info.returncode == 0
    assert f"folder: {home}" in info.stdout
    assert "limit: 50 GB" in info.stdout
    (images,) = (line.split() for line in info.stdout.splitlines() if line.strip().startswith("images"))
    assert images[1:5] == ["1", "0.005", "GB", "0"]
    assert run_here("cache", "clear").stdout == "removed 2 folders, 0.007 GB\n"
    assert "images    0" in run_here("cache", "info").stdout


def test_the_limit_is_kept_but_not_at_the_cost_of_what_is_in_use(home, run_here):
    again = run_here(*RUN, "--seed", 1, CXRBENCH_CACHE_GB="0.005")
    assert again.returncode == 0
    assert "more than --cache-gb 0.005" in again.stderr
    info = run_here("cache", "info", CXRBENCH_CACHE_GB="0.005").stdout
    rows = {line.split()[0]: line.split()[1] for line in info.splitlines() if line.strip().startswith(("images", "features"))}
    assert rows == {"images": "1", "features": "1"}
    assert len(list(home.glob("features/*"))) == 1


def test_the_scored_heads_are_kept_and_counted(home, run_here, workspace):
    (entry,) = workspace.entries().values()
    (model,) = (workspace.folder / "leaderboard").glob("*/models/random-convnet+none+none/head/fold-0-seed-0.safetensors")
    (head,) = entry["folds"][0]["heads"]
    assert head["model"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert len(head["curves"]["validation_loss"]) == 1
    assert "models: 1 in leaderboard, 0.001 GB; the limit does not count them" in run_here("cache", "info").stdout
    without = run_here(*RUN, "--out", "without", "--no-models")
    assert without.returncode == 0, without.stderr
    assert not list((workspace.folder / "without").glob("*/models"))
    (again,) = workspace.entries("without").values()
    assert again["folds"][0]["heads"] == [head | {"model": ""}]
