from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxrbench.plugin import Dataset
from cxrbench_collections import register_datasets
from cxrbench_collections.licences import LICENCES

DOCS = (Path(__file__).parents[3] / "docs" / "how-to" / "collections.md").read_text(encoding="utf-8")
NAMES = [spec.name for spec in register_datasets()]


@pytest.mark.parametrize("name", NAMES)
def test_terms_are_declared_and_documented(host, name):
    assert host.find(Dataset, name).spec.notice == LICENCES[name].terms
    (row,) = re.findall(rf"^\| `{name}`.*$", DOCS, re.MULTILINE)
    assert row.rsplit("|", 2)[1].strip() == LICENCES[name].kind


def test_every_licence_belongs_to_a_dataset():
    assert sorted(LICENCES) == sorted(NAMES)
