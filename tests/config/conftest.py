import os

import pytest


@pytest.fixture(autouse=True)
def nothing_set(tmp_path, monkeypatch):
    """Leave no setting around that the test did not make itself."""
    for name in [name for name in os.environ if name.startswith("CXRBENCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
