"""The names of packages in requirements, and the version of cxrbench in records."""

import pytest

from cxrbench.storage import versions
from cxrbench.storage.versions import all_versions, name_of


@pytest.mark.parametrize(
    "requirement",
    ["keras-tuner", "keras-tuner>=1.4", "keras-tuner[all]~=1.4", "keras-tuner ; os_name == 'posix'", "keras-tuner@file:x"],
)
def test_a_requirement_names_its_package(requirement):
    assert name_of(requirement) == "keras-tuner"


@pytest.mark.parametrize("installed", ["0.3.0", "0.3.0+g3971a6eaf", "0.3.0+g3971a6eaf.d20261130"])
def test_records_do_not_change_with_every_commit(monkeypatch, installed):
    monkeypatch.setattr(versions, "version", lambda package: installed if package == "cxrbench" else "1")
    assert all_versions()["cxrbench"] == "0.3.0"
    assert all_versions()["numpy"] == "1"
