"""The versions of the packages that results depend on."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

NUMERICAL_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scikit-image")
"""Packages that features depend on. Their versions are part of the key of cached features."""

COMPUTING_PACKAGES = (*NUMERICAL_PACKAGES, "scikit-learn", "imbalanced-learn")
"""Packages that what workers compute depends on."""

DISTRIBUTION = "cxrbench"


def own_version() -> str:
    """Return the version of cxrbench as records have it: without the commit, which installations between two releases add."""
    return version(DISTRIBUTION).partition("+")[0]


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def name_of(requirement: str) -> str:
    """Return the package that a requirement such as ``scipy>=1.10`` names."""
    return re.split(r"[<>=!~@\[ ;]", requirement, maxsplit=1)[0]


def all_versions() -> dict[str, str]:
    """Return the versions that are stored with an entry."""
    return {
        "python": python_version(),
        DISTRIBUTION: own_version(),
        **versions_of(*NUMERICAL_PACKAGES, "optuna", "scikit-learn", "imbalanced-learn", "pillow"),
    }
