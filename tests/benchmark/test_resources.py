"""What a run holds until it ends cannot always be had."""

from __future__ import annotations

import tempfile

import pytest

from cxrbench.benchmark.callbacks import Callbacks
from cxrbench.benchmark.request import read_request
from cxrbench.benchmark.resources import open_resources
from cxrbench.config.settings import Settings
from cxrbench.errors import ConfigError
from cxrbench.execution.progress import Progress


def test_no_room_for_temporary_files_is_named_with_what_to_do(host, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "full")])
    callbacks = Callbacks(host=host, progress=Progress())
    with (
        pytest.raises(ConfigError, match=r"No usable temporary directory .*full.*: free some space there, or set TMPDIR"),
        open_resources(read_request(Settings(workers=1, offline=True), host, Progress()), callbacks),
    ):
        pass
