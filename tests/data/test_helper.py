"""What decodes dangerous files may be killed, hang or not start, and only the file that did it is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrbench.data.decoding import helper
from cxrbench.data.decoding.decode import decode
from cxrbench.errors import CxrbenchError, DataError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux shows them")
GREY = np.random.default_rng(0).integers(0, 256, (30, 30), dtype=np.uint8)


@pytest.fixture
def tiff(encode):
    return encode(GREY, "TIFF")


@pytest.fixture(autouse=True)
def none_before_and_after():
    """Begin and end without helpers."""
    helper.dismiss_helpers()
    yield
    helper.dismiss_helpers()


def grey(content):
    return decode(content, size=30, resize="stretch")


def children():
    """Return the helpers that this process has started and not buried."""
    listed = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return [int(one) for some in listed for one in some if b"helper_process" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_a_helper_decodes_one_file_after_the_other(tiff, encode):
    for _ in range(3):
        np.testing.assert_array_equal(grey(tiff), GREY)
        np.testing.assert_array_equal(grey(encode(GREY, "BMP")), GREY)
    assert len(children()) == 1
    helper.dismiss_helpers()
    assert children() == []


def test_a_helper_that_was_killed_is_replaced(tiff):
    grey(tiff)
    for _ in range(3):
        (process,) = children()
        os.kill(process, signal.SIGKILL)
        np.testing.assert_array_equal(grey(tiff), GREY)


def test_each_thread_has_its_own_helper_and_answers(encode):
    contents = [encode(np.full((8, 8), level, np.uint8), "TIFF") for level in range(200)]
    contents[::7] = [b"no image"] * len(contents[::7])

    def levels(content):
        try:
            return int(decode(content, size=8, resize="stretch")[3, 3])
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(levels, contents))
    assert found == ["is not an image of a known format" if row % 7 == 0 else row for row in range(200)]
    assert len(children()) <= 4


def test_a_file_that_takes_too_long_is_given_up(encode, monkeypatch):
    content = encode(Image.new("L", (5000, 5000)), "TIFF", compression="tiff_lzw")
    monkeypatch.setattr(helper, "DECODING_SECONDS", 0.01)
    with pytest.raises(DataError, match="takes more than 0 seconds"):
        grey(content)
    assert children() == []
    monkeypatch.undo()
    assert not grey(content).any()


def test_a_helper_that_does_not_start_is_not_a_data_error(tiff, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CxrbenchError, match=r"did not start \(exit code 1\)") as caught:
        grey(tiff)
    assert not isinstance(caught.value, DataError)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from cxrbench.data.decoding.decode import examine_anything
from cxrbench.errors import DataError
content = Path(sys.argv[1]).read_bytes()
resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))
try:
    examine_anything(content, size=8, resize="stretch")
except DataError as error:
    print(error)
"""


def test_a_file_that_needs_more_memory_than_there_is_is_refused(encode, tmp_path):
    (tmp_path / "image.tiff").write_bytes(encode(Image.new("RGB", (9000, 9000)), "TIFF", compression="packbits"))
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(tmp_path / "image.tiff")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "needs more memory than is available\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from cxrbench.data.decoding import helper
from cxrbench.data.decoding.decode import decode
decode(Path(sys.argv[1]), size=8, resize="stretch")
process = helper._idle_helpers.get()
print(process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_helper_outlives_what_it_helps(tiff, tmp_path):
    (tmp_path / "image.tiff").write_bytes(tiff)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "image.tiff")]
    process = int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    for _ in range(100):
        if not any(b"helper_process" in command for command in commands_of(process)):
            return
        time.sleep(0.1)
    raise AssertionError(f"{process} still runs")


def commands_of(process):
    with suppress(OSError):
        return [Path(f"/proc/{process}/cmdline").read_bytes()]  # empty if nobody has buried it
    return []


def test_files_named_like_libraries_do_not_harm_helpers(tiff, tmp_path, monkeypatch):
    for name in ("signal", "json", "struct", "numpy", "PIL"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m cxrbench` and scripts do
    assert (grey(tiff) == GREY).all()
