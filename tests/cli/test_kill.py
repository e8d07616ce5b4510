"""A run that is killed while features are extracted."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time

RUN = (
    *("run", "--data", "phantom:images=1100,size=64", "--image-size", "64", "--backbone", "random-convnet"),
    *("--imbalance", "none", "--trials", "1", "--epochs", "1", "--workers", "2"),
)


def features_of(place):
    """Return what lies in each features folder, with the time of its last change."""
    found = {}
    for path in sorted((place.folder / "home" / "features").glob("*/*")):
        if path.is_file():
            found[f"{path.parent.name}/{path.name}"] = path.stat().st_mtime_ns
    return found


def digests_of(place):
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (place.folder / "home" / "features").glob("*/rows.raw")
    }


def kill_after(place, shards):
    """Start a run and kill it with its workers when so many shards are on disk."""
    command = place.command(*RUN)
    process = subprocess.Popen(**command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while process.poll() is None and sum(name.endswith(".done") for name in features_of(place)) < shards:
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_only_missing_shards_are_extracted_and_the_bytes_end_equal(place):
    kill_after(place, shards=4)
    before = {name: changed for name, changed in features_of(place).items() if name.endswith(".done")}
    assert len(before) >= 4
    resumed = place.call(*RUN)
    assert resumed.returncode == 0, resumed.stderr
    after = features_of(place)
    shards = [name for name in after if name.endswith(".done")]
    assert len(shards) > len(before)
    assert {name: after[name] for name in before} == before
    assert f"features: {len(shards) - len(before)} in" in resumed.stderr
    interrupted = digests_of(place)
    assert place.call("cache", "clear").returncode == 0
    undisturbed = place.call(*RUN, "--out", "again")
    assert f"features: {len(shards)} in" in undisturbed.stderr
    assert digests_of(place) == interrupted
    assert place.entries("again").keys() == place.entries().keys()


def flip(path, position):
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def test_a_damaged_cache_is_mended_and_told_of(place):
    small = (*RUN, "--no-controls", "--augmentation", "none")
    assert place.call(*small).returncode == 0
    whole = digests_of(place)
    (films,) = (place.folder / "home" / "images").glob("*/rows.raw")
    (features,) = (place.folder / "home" / "features").glob("*/rows.raw")
    flip(films, films.stat().st_size // 2)
    flip(features, 0)
    again = place.call(*small, "--out", "again")
    assert again.returncode == 0, again.stderr
    assert "warning: images: 1 of 3 parts were damaged on disk and are decoded again" in again.stderr
    assert "warning: features, random-convnet: 1 of 3 parts were damaged on disk and are extracted again" in again.stderr
    assert digests_of(place) == whole
    assert [*place.files("*/predictions/*.csv").values()] == [*place.files("*/predictions/*.csv", "again").values()]


def test_cache_info_and_clear_say_what_is_there(place):
    assert place.call(*RUN, "--no-controls", "--augmentation", "none").returncode == 0
    info = place.call("cache", "info")
    assert info.returncode == 0
    assert f"folder: {place.folder / 'home'}" in info.stdout
    assert "limit: 50 GB" in info.stdout
    (images,) = (line.split() for line in info.stdout.splitlines() if line.strip().startswith("images"))
    assert images[1:5] == ["1", "0.005", "GB", "0"]
    cleared = place.call("cache", "clear")
    assert cleared.stdout == "removed 2 folders, 0.007 GB\n"
    assert "images    0" in place.call("cache", "info").stdout


def test_the_limit_is_kept_but_not_at_the_cost_of_what_is_in_use(place):
    small = (*RUN, "--no-controls", "--augmentation", "none")
    assert place.call(*small).returncode == 0
    again = place.call(*small, "--seed", "1", CXRBENCH_CACHE_GB="0.005")
    assert again.returncode == 0
    assert "more than --cache-gb 0.005" in again.stderr
    info = place.call("cache", "info", CXRBENCH_CACHE_GB="0.005").stdout
    rows = {line.split()[0]: line.split()[1] for line in info.splitlines() if line.strip().startswith(("images", "features"))}
    assert rows == {"images": "1", "features": "1"}
