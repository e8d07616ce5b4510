"""Which packages a result was made with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from platform import python_version

NUMERICAL = ("keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scikit-image")
"""Packages that features depend on."""


def versions_of(*packages: str) -> dict[str, str]:
    """Return the version of each of the packages that is installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def all_versions() -> dict[str, str]:
    """Return the versions that an entry keeps."""
    return {
        "python": python_version(),
        **versions_of("cxrbench", *NUMERICAL, "optuna", "scikit-learn", "imbalanced-learn", "pillow"),
    }
