"""Which GPUs this process may use, found without opening one, and which of them a process sees."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cxrbench.errors import ConfigError
from cxrbench.storage.locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Device = Literal["auto", "cpu", "gpu"]
"""Where networks compute: on GPUs if there are some, on CPUs alone, or on GPUs alone."""
DeviceKind = Literal["cpu", "gpu"]
"""What computed a result."""
VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Name the GPUs that a process sees, of NVIDIA and of AMD. The libraries read them when the first GPU is opened."""
NO_GPU = "-1"
SETTINGS = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "NVIDIA_TF32_OVERRIDE": "0"}
"""Of processes that open a GPU: take memory as it is needed; compute float32 as float32, not with 10 bits of the fraction."""
LISTING_SECONDS = 30
"""Time limit of nvidia-smi. It loads the driver, which takes seconds on some machines; with a broken one it hangs."""
CLAIM_POLL_SECONDS = 0.1
VISIBLE_ID = re.compile(r"\d+|(GPU|MIG)-\S+")
LISTED_ID = re.compile(r"\(UUID: ((?:GPU|MIG)-\S+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """The GPUs, or parts of one, that this process may use.

    Attributes:
        ids: numbers or UUIDs, as the `VARIABLES` take them.
        asked: who named them, or why there are none.
        missed: whether there seem to be some that were not found.
    """

    ids: tuple[str, ...]
    asked: str
    missed: bool = False


def find_gpus() -> Gpus:
    """Return the GPUs that the environment names; without such a variable, all that the driver of NVIDIA lists."""
    for variable in VARIABLES:
        if (text := os.environ.get(variable)) is not None:
            return Gpus(ids=visible_ids(text), asked=f"{variable} is {text!r}")
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if program is None:
        asked = "there is no nvidia-smi, which comes with the driver of NVIDIA"
        return Gpus(ids=(), asked=asked, missed=bool(device_files()))
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, errors="replace", timeout=LISTING_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Gpus(ids=(), asked=f"nvidia-smi fails: {_reason(error)}", missed=True)
    return Gpus(ids=listed_ids(done.stdout), asked="nvidia-smi -L")


def visible_ids(text: str) -> tuple[str, ...]:
    """Return the GPUs of a variable's text. As CUDA reads it, the first word that names none ends the list."""
    ids: list[str] = []
    for word in map(str.strip, text.split(",")):
        if not VISIBLE_ID.fullmatch(word):
            break
        ids.append(word)
    return tuple(dict.fromkeys(ids))


def listed_ids(text: str) -> tuple[str, ...]:
    """Return the UUIDs in what ``nvidia-smi -L`` prints. The parts of a divided GPU (MIG) follow it, and stand for it."""
    ids: list[str] = []
    whole = ""
    for one in LISTED_ID.findall(text):
        if one.startswith("GPU-"):
            whole = one
        elif whole in ids:
            ids.remove(whole)
        ids.append(one)
    return tuple(ids)


def chosen_gpus(device: Device, warn: Callable[[str], None] = lambda message: None) -> tuple[str, ...]:
    """Return the GPUs for a choice of the user, and `warn` where there seem to be some that cannot be used.

    Raises:
        ConfigError: ``gpu`` without any.
    """
    if device == "cpu":
        return ()
    found = find_gpus()
    if device == "gpu" and not found.ids:
        raise ConfigError(
            f"--device gpu: no GPU was found ({found.asked}). Install the driver of NVIDIA and pip install 'cxrbench[gpu]', or "
            "use --device auto. cxrbench doctor says more"
        )
    if found.missed:
        warn(f"networks are computed on the CPU, though there may be a GPU: {found.asked}. cxrbench doctor says more")
    return found.ids


def device_files() -> list[str]:
    """Return the device files of NVIDIA's GPUs, which are there where the driver is."""
    return [str(path) for path in sorted(Path("/dev").glob("nvidia[0-9]*"))]


def hide_gpus() -> None:
    """Let this process see no GPU. Call it before anything opens one."""
    os.environ.update(dict.fromkeys(VARIABLES, NO_GPU))


def see_only(gpu: str) -> None:
    """Let this process see one GPU. Call it before anything opens one."""
    os.environ.update({**dict.fromkeys(VARIABLES, gpu), **SETTINGS})


def see_chosen(device: Device) -> None:
    """Let this process see at most one GPU, the first of those chosen, unless it has imported TensorFlow already.

    Raises:
        ConfigError: there is no GPU for ``gpu``, or it is too late to hide those that there are.
    """
    gpus = chosen_gpus(device)
    if "tensorflow" not in sys.modules:
        see_only(gpus[0]) if gpus else hide_gpus()
    elif device == "cpu" and find_gpus().ids:
        raise ConfigError(
            f"--device cpu: this process has imported TensorFlow, which may have opened a GPU. Set {VARIABLES[0]}={NO_GPU} "
            "before, or use --workers 1 or more"
        )


@contextmanager
def restored_variables() -> Iterator[None]:
    """Restore the `VARIABLES` and `SETTINGS` at the end: processes that start later see what there was before."""
    before = {name: os.environ.get(name) for name in (*VARIABLES, *SETTINGS)}
    try:
        yield
    finally:
        for name, text in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if text is None else {name: text})


def claim_gpu(gpus: Sequence[str], folder: Path) -> str:
    """Wait until one of the GPUs is free, and return it. It is this process's until it ends, however it ends.

    Args:
        gpus: of which each process takes one.
        folder: for the locks, shared by the processes.
    """
    while True:
        for number, gpu in enumerate(gpus):
            held = ExitStack()
            if held.enter_context(try_lock(folder / f"gpu-{number}.lock")):
                atexit.register(held.close)  # which also keeps the lock from being collected
                return gpu
        time.sleep(CLAIM_POLL_SECONDS)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    said = [text for text in (getattr(error, "stderr", None), getattr(error, "stdout", None)) if isinstance(text, str)]
    lines = [line.strip() for text in said for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else str(error)
