"""Check the installed packages, and in separate processes whether Keras and the plugins' factories can be imported."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import metadata, requires, version
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from cxrbench.cli.doctor.diagnosis import Diagnosis
from cxrbench.cli.doctor.gpus import gpus
from cxrbench.execution.keras_process import (
    LEGACY,
    NEEDED,
    REINSTALL,
    ignored_settings,
    settings_file,
    wanted_backend,
)
from cxrbench.execution.search_path import libraries_first
from cxrbench.storage.versions import versions_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxrbench.execution.devices import Device

IMPORT_CHECK_SECONDS = 120
"""Time limit: importing TensorFlow takes 3 to 30 s, and a minute on a slow network disk."""
DEVELOPER_EXTRAS = frozenset({"test", "dev", "benchmarks"})
IMPORT_KERAS = """
import json, os, sys
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.devices import SETTINGS
from cxrbench.execution.keras_process import gpus_of_keras, import_keras
os.environ.update(SETTINGS)
try:
    keras = import_keras()
except WorkersUnavailable as error:
    sys.exit(str(error))
backend = keras.backend.backend()
keras.ops.convert_to_numpy(keras.ops.zeros(1))
without = ""
if backend == "tensorflow":
    import tensorflow
    without = "" if tensorflow.test.is_built_with_gpu_support() else "this TensorFlow is built without GPUs"
print(json.dumps({"backend": backend, "keras": keras.__version__, "gpus": gpus_of_keras(), "without": without}))
"""


def versions() -> Iterator[Diagnosis]:
    """Report the versions to quote in a bug report."""
    yield Diagnosis(
        area="cxrbench", found=f"{version('cxrbench')} on Python {platform.python_version()}, {platform.platform()}"
    )


def dependencies() -> Iterator[Diagnosis]:
    """Report packages that are missing or of an unsupported version."""
    required = _declared_requirements("")
    installed = versions_of(*(requirement.name for requirement in required))
    yield Diagnosis(area="packages", found=", ".join(f"{name} {present}" for name, present in installed.items()))
    for requirement in required:
        present = installed.get(requirement.name)
        if present is None or not requirement.specifier.contains(present, prereleases=True):
            found = f"{requirement.name} {present or 'is not installed'}"
            remedy = f"pip install '{requirement.name}{requirement.specifier}'"
            yield Diagnosis(area="packages", found=found, verdict="problem", remedy=remedy)


def extras() -> Iterator[Diagnosis]:
    """Report which optional extras are installed."""
    for extra in sorted(set(metadata("cxrbench").get_all("Provides-Extra") or ()) - DEVELOPER_EXTRAS):
        names = {requirement.name for requirement in _declared_requirements(extra)}
        if names == versions_of(*names).keys():
            yield Diagnosis(area="optional", found=f"{extra}: installed")
        else:
            yield Diagnosis(area="optional", found=f"{extra}: not installed", remedy=f"pip install 'cxrbench[{extra}]'")


class ImportCheck:
    """A Python process that imports what may be broken or slow, while other checks run."""

    def __init__(self, code: str, arguments: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> None:
        """Start the process with arguments and environment variables of its own."""
        self._deadline = time.monotonic() + IMPORT_CHECK_SECONDS
        ours = {"PYTHONWARNINGS": "ignore", "PYTHONPATH": os.pathsep.join(libraries_first())}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(variables or {}), **ours},
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def answer(self) -> tuple[Any, str]:
        """Return the JSON value on the last line of its output and "", or None and the failure reason."""
        try:
            out, err = self._process.communicate(timeout=max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return None, f"no answer within {IMPORT_CHECK_SECONDS} s"
        lines = [line.strip() for line in err.splitlines() if line.strip()]
        if self._process.returncode:
            return None, lines[-1] if lines else f"exit code {self._process.returncode}"
        try:
            return json.loads(out.splitlines()[-1]), ""
        except (ValueError, IndexError):
            return None, "unexpected output"


def keras(check: ImportCheck, device: Device) -> Iterator[Diagnosis]:
    """Check that Keras and its backend work, and report the GPUs that a run with this ``--device`` uses."""
    answer, problem = check.answer()
    if problem:
        found, _, remedy = problem.rpartition(". ")
        found, remedy = (found, remedy) if found else (problem, REINSTALL)
        yield Diagnosis(area="keras", found=found, verdict="problem", remedy=remedy)
        return
    yield Diagnosis(area="keras", found=f"{answer['keras']} with {answer['backend']}")
    yield from _ignored_settings()
    yield gpus(device, answer["gpus"], answer["without"])


def _ignored_settings() -> Iterator[Diagnosis]:
    """Report settings of the user that results do not depend on, though other programs follow them."""
    if ignored := ignored_settings():
        values = ", ".join(f"{name}={value}" for name, value in ignored.items())
        needed = {**NEEDED, "backend": wanted_backend()}
        used = ", ".join(f"{name}={needed[name]}" for name in ignored)
        yield Diagnosis(
            area="keras",
            found=f"{settings_file()} sets {values}; cxrbench uses {used}",
            verdict="warn",
            remedy="nothing to fix, unless you want another backend: set KERAS_BACKEND for that",
        )
    if os.environ.get(LEGACY, "0") not in {"", "0"}:
        found = f"{LEGACY} is set, which makes tensorflow.keras Keras 2; cxrbench unsets it in its processes"
        remedy = f"unset {LEGACY}, or make plugins that need Keras 2 import tf_keras"
        yield Diagnosis(area="keras", found=found, verdict="warn", remedy=remedy)


def _declared_requirements(extra: str) -> list[Requirement]:
    """Return what cxrbench requires on this machine, or, given an extra, what that extra adds."""
    declared = [Requirement(text) for text in requires("cxrbench") or ()]
    if not extra:
        return [
            requirement for requirement in declared if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ]
    conditional = [(requirement, requirement.marker) for requirement in declared if requirement.marker is not None]
    return [requirement for requirement, marker in conditional if "extra" in str(marker) and marker.evaluate({"extra": extra})]
