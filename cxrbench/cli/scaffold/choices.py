"""The kinds and licences that the plugin commands accept."""

from typing import Literal

KindName = Literal["dataset", "backbone", "augmentation", "imbalance", "engine", "shift", "observer"]
LicenseName = Literal["Apache-2.0", "MIT", "BSD-3-Clause"]
