"""`cxrbench data` on the whole dataset of Kermany et al., decoded once."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def audited(shared_folder, tmp_path_factory, make_workspace):
    """Return a function that audits the dataset and returns what it printed."""
    workspace = make_workspace(tmp_path_factory.mktemp("kermany"))

    def call(*flags):
        result = workspace.call_here("data", "audit", shared_folder / "data" / "chest_xray", *flags)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout

    return call


@pytest.mark.slow
def test_kermany_has_its_patients_and_24_duplicated_images_only(audited):
    printed = audited()
    assert "images: 5216" in printed
    assert "patients: 3654" in printed
    assert "verdict: 1 finding: 50 byte-identical (note)" in " ".join(printed.split())


@pytest.mark.slow
def test_paper_may_share_patients_of_real_images(audited):
    found = json.loads(audited("--json", "--split", "paper", "--folds", 3))["findings"]
    assert {finding["check"] for finding in found} == {"shared-patients", "byte-identical"}
    assert (found[0]["check"], found[0]["severity"]) == ("shared-patients", "warning")
