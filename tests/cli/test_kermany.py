"""`cxrbench data` on the whole dataset of Kermany et al., decoded once."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def inspected(shared_folder, tmp_path_factory, make_workspace):
    """Return a function that runs a command of `cxrbench data` on the dataset."""
    workspace = make_workspace(tmp_path_factory.mktemp("kermany"))

    def call(command, *flags):
        result = workspace.call_here("data", command, shared_folder / "data" / "chest_xray", *flags)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout

    return call


def findings(printed):
    return [(one["check"], one["severity"], one["count"]) for one in json.loads(printed)["findings"]]


def test_kermany_has_24_duplicated_images_and_no_other_defect(inspected):
    assert findings(inspected("audit", "--json")) == [("byte-identical", "note", 50)]


def test_paper_may_share_patients_of_real_images(inspected):
    found = findings(inspected("audit", "--json", "--split", "paper", "--folds", 3))
    assert {check for check, _, _ in found} == {"shared-patients", "byte-identical"}
    assert found[0][:2] == ("shared-patients", "warning")


def test_kermany_is_recognised_with_its_patients(inspected):
    printed = inspected("inspect")
    assert "images: 5216" in printed
    assert "patients: 3654" in printed
