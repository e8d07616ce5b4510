"""What is installed, and whether Keras and the plugins' factories can be imported: tried in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from cxrbench.cli.doctor.finding import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 120
"""Importing TensorFlow takes 3 to 30 s, on a slow network disk a minute."""
FOR_DEVELOPERS = frozenset({"test", "dev", "benchmarks"})
KERAS = """
import json, os
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
backend = keras.backend.backend()
keras.ops.convert_to_numpy(keras.ops.zeros(1))
if backend == "tensorflow":
    import tensorflow
    gpus = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
else:
    gpus = [name for name in keras.distribution.list_devices() if "cpu" not in name.lower()]
print(json.dumps({"backend": backend, "keras": keras.__version__, "gpus": gpus}))
"""


def versions() -> Iterator[Diagnosis]:
    """Name the versions that a question about cxrbench should come with."""
    yield Diagnosis(
        area="cxrbench", found=f"{version('cxrbench')} on Python {platform.python_version()}, {platform.platform()}"
    )


def dependencies() -> Iterator[Diagnosis]:
    """Say which packages are missing or of versions that were not meant."""
    here, wrong = [], []
    for requirement in _requirements(""):
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(requirement)
            continue
        here.append(f"{requirement.name} {found}")
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(requirement)
    yield Diagnosis(area="packages", found=", ".join(here))
    for requirement in wrong:
        found = next((one for one in here if one.startswith(f"{requirement.name} ")), f"{requirement.name} is not installed")
        remedy = f"pip install '{requirement.name}{requirement.specifier}'"
        yield Diagnosis(area="packages", found=found, verdict="problem", remedy=remedy)


def extras() -> Iterator[Diagnosis]:
    """Say which optional parts can be had."""
    for extra in sorted(set(metadata("cxrbench").get_all("Provides-Extra") or ()) - FOR_DEVELOPERS):
        missing = [one.name for one in _requirements(extra) if not _is_installed(one.name)]
        if missing:
            yield Diagnosis(area="optional", found=f"{extra}: not installed", remedy=f"pip install 'cxrbench[{extra}]'")
        else:
            yield Diagnosis(area="optional", found=f"{extra}: installed")


class Child:
    """A Python process that imports what may be broken or slow, while other things are looked at."""

    def __init__(self, code: str, arguments: Sequence[str] = ()) -> None:
        """Start it."""
        self._until = time.monotonic() + SECONDS
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
        )

    def answer(self) -> tuple[Any, str]:
        """Return what it printed last, as JSON, and why it did not; one of the two is empty."""
        try:
            out, err = self._process.communicate(timeout=max(0.0, self._until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return None, f"it took longer than {SECONDS} s"
        lines = [line.strip() for line in err.splitlines() if line.strip()]
        if self._process.returncode:
            return None, lines[-1] if lines else f"exit code {self._process.returncode}"
        try:
            return json.loads(out.splitlines()[-1]), ""
        except (ValueError, IndexError):
            return None, "it printed nothing that was expected"


def keras(child: Child) -> Iterator[Diagnosis]:
    """Say whether Keras and its backend can be used, and which GPUs they see."""
    answer, problem = child.answer()
    if problem:
        chosen = os.environ.get("KERAS_BACKEND", "")
        remedy = (
            f"unset KERAS_BACKEND (now {chosen}), or install that backend"
            if chosen not in {"", "tensorflow"}
            else "pip install --force-reinstall keras tensorflow, or make a new environment"
        )
        yield Diagnosis(area="keras", found=f"cannot be used: {problem}", verdict="problem", remedy=remedy)
        return
    yield Diagnosis(area="keras", found=f"{answer['keras']} with {answer['backend']}")
    yield _gpus(answer["gpus"])


def _gpus(names: Sequence[str]) -> Diagnosis:
    if names:
        return Diagnosis(area="gpu", found=", ".join(names))
    if list(Path("/dev").glob("nvidia[0-9]*")):
        return Diagnosis(
            area="gpu",
            found="there is one, but Keras does not see it",
            verdict="warn",
            remedy="pip install 'tensorflow[and-cuda]', and look at nvidia-smi",
        )
    return Diagnosis(area="gpu", found="none; all is computed on the CPU")


def _requirements(extra: str) -> list[Requirement]:
    """Return what cxrbench requires here, or what one of its extras does besides."""
    found = [Requirement(text) for text in requires("cxrbench") or ()]
    if not extra:
        return [one for one in found if one.marker is None or one.marker.evaluate({"extra": ""})]
    named = [one for one in found if one.marker is not None and "extra" in str(one.marker)]
    return [one for one in named if one.marker is not None and one.marker.evaluate({"extra": extra})]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
