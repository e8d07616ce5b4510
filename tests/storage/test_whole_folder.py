"""Folders that are written whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from cxrbench.errors import ConfigError
from cxrbench.storage.locks import try_lock
from cxrbench.storage.whole_folder import whole_folder

WRITER = """
import sys, time
from pathlib import Path
from cxrbench.storage.whole_folder import whole_folder
with whole_folder(Path("made"), "--to") as folder:
    (folder / "first").write_text("x")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_nothing_has_the_name_before_all_is_written(tmp_path):
    with whole_folder(tmp_path / "deep" / "made", "--to") as folder:
        (folder / "file").write_text("x")
        (folder / "inside").mkdir()
        assert not (tmp_path / "deep" / "made").exists()
    assert sorted(path.name for path in (tmp_path / "deep" / "made").iterdir()) == ["file", "inside"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["made"]


def test_an_error_leaves_nothing(tmp_path):
    def write_half():
        with whole_folder(tmp_path / "made", "--to") as folder:
            (folder / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_others_are_refused(tmp_path):
    (tmp_path / "made").mkdir()
    with whole_folder(tmp_path / "made", "--to") as folder:
        (folder / "file").write_text("x")
    with (
        pytest.raises(ConfigError, match=r"--to .*made: the folder is not empty\. Remove it"),
        whole_folder(tmp_path / "made", "--to"),
    ):
        pass
    assert (tmp_path / "made" / "file").read_text() == "x"
    with pytest.raises(ConfigError, match="is not a folder"), whole_folder(tmp_path / "made" / "file", "--to"):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    with pytest.raises(ConfigError, match="another process is writing"), whole_folder(tmp_path / "made", "--to"):
        pass
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert any(path.name.endswith(".part") for path in tmp_path.iterdir())
    (tmp_path / ".made-other.1.part").mkdir()
    with whole_folder(tmp_path / "made", "--to"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made-other.1.part", "made"]


def test_a_lock_of_another_thread_is_respected(tmp_path):
    with (
        try_lock(tmp_path / ".made.lock"),
        pytest.raises(ConfigError, match="another"),
        whole_folder(tmp_path / "made", "--to"),
    ):
        pass
