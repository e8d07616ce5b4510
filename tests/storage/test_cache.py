from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cxrbench.storage.cache import cache_items, claim_cache_folders, clear_cache, trim_cache

BLOCK = 64 * 1024

HOLDER = """
import sys
from pathlib import Path
from cxrbench.storage.cache import claim_cache_folders

with claim_cache_folders() as claim:
    claim([Path(path) for path in sys.argv[1:]])
    print("holding", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("CXRBENCH_HOME", str(folder))
    return folder


@pytest.fixture
def make(home):
    """Return a function that adds a cache item, last used `age` seconds ago."""

    def make_item(name, *, age, blocks=1, kind="features"):
        folder = home / kind / name
        folder.mkdir(parents=True)
        (folder / "rows.raw").write_bytes(b"x" * BLOCK * blocks)
        os.utime(folder, (time.time() - age,) * 2)
        return folder

    return make_item


@pytest.fixture
def hold(home):
    """Return a function that claims folders in another process and returns the process."""
    started = []

    def holder(*folders):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, *map(str, folders)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "holding\n"
        return process

    yield holder
    for process in started:
        process.kill()
        process.communicate()


def names():
    return [item.folder.name for item in cache_items()]


def test_items_have_sizes_and_least_recently_used_come_first(make):
    make("young", age=10, blocks=2)
    make("old", age=1000)
    make("images", age=100, blocks=3, kind="images")
    assert [(item.folder.name, item.kind, item.size, item.in_use) for item in cache_items()] == [
        ("old", "features", BLOCK, False),
        ("images", "images", 3 * BLOCK, False),
        ("young", "features", 2 * BLOCK, False),
    ]


def test_an_empty_cache_has_no_items(home):
    assert cache_items() == []
    assert trim_cache(0) == 0


def test_trim_removes_least_recently_used_and_no_more(make):
    for number, age in enumerate([40, 30, 20, 10]):
        make(f"item{number}", age=age)
    assert trim_cache(2 * BLOCK) == 2 * BLOCK
    assert names() == ["item2", "item3"]
    assert trim_cache(float("inf")) == 2 * BLOCK
    assert names() == ["item2", "item3"]


def test_a_claim_counts_as_use(make):
    old, _young = make("old", age=1000), make("young", age=10)
    with claim_cache_folders() as claim:
        claim([old])
    assert names() == ["young", "old"]


def test_folders_claimed_by_a_running_process_are_kept(make, hold):
    used, unused = make("used", age=1000), make("unused", age=1)
    holder = hold(used)
    assert [item.in_use for item in cache_items()] == [False, True]  # claiming counts as use
    assert trim_cache(0) == BLOCK
    assert used.is_dir()
    assert not unused.exists()
    assert clear_cache() == []
    holder.communicate("")
    assert [item.folder for item in clear_cache()] == [used]


def test_claims_of_a_killed_process_end(make, hold, home):
    folder = make("used", age=5)
    holder = hold(folder)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert [item.in_use for item in cache_items()] == [False]
    assert [item.folder for item in clear_cache()] == [folder]
    assert list((home / "claims").iterdir()) == []


def test_a_folder_is_kept_until_its_last_claim_ends(make, hold):
    folder = make("used", age=5)
    first, _second = hold(folder), hold(folder)
    first.communicate("")
    trim_cache(0)
    assert folder.is_dir()


def test_a_process_can_claim_more_folders_and_creates_them(make, home):
    first, new = make("first", age=5), home / "features" / "new"
    with claim_cache_folders() as claim:
        claim([first])
        claim([new])
        assert new.is_dir()
        assert clear_cache() == []
    assert {item.folder for item in clear_cache()} == {first, new}


def test_stray_files_are_left_alone(make, home):
    make("features", age=5)
    stray = home / "features" / "notes.txt"
    stray.write_text("mine")
    assert names() == ["features"]
    clear_cache()
    assert stray.read_text() == "mine"


def test_folders_of_an_interrupted_removal_are_deleted(home):
    stale = home / ".removing-1"
    stale.mkdir(parents=True)
    (stale / "rows.raw").write_bytes(b"x")
    clear_cache()
    assert not stale.exists()


def test_a_removed_array_stays_readable_while_mapped(make):
    mapped = np.memmap(make("mapped", age=5) / "rows.raw", dtype=np.uint8, mode="r")
    clear_cache()
    assert mapped[-1] == ord("x")
