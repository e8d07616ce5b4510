"""The names of packages in requirements."""

import pytest

from cxrbench.storage.versions import name_of


@pytest.mark.parametrize(
    "requirement",
    ["keras-tuner", "keras-tuner>=1.4", "keras-tuner[all]~=1.4", "keras-tuner ; os_name == 'posix'", "keras-tuner@file:x"],
)
def test_a_requirement_names_its_package(requirement):
    assert name_of(requirement) == "keras-tuner"
