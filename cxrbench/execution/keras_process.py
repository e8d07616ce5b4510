"""Keras with the settings that results are computed with, whatever the user's keras.json says."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.errors import WorkersUnavailable
from cxrbench.execution.worker import THREAD_VARIABLES
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cxrbench.execution.devices import DeviceKind

DEFAULT_BACKEND = "tensorflow"
BACKENDS = (DEFAULT_BACKEND, "jax", "torch")
"""Those with which Keras can train."""
NEEDED: Mapping[str, Any] = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
REINSTALL = "pip install --force-reinstall keras tensorflow, or create a new environment"
LEGACY = "TF_USE_LEGACY_KERAS"
"""Makes `tensorflow.keras` another package, Keras 2."""


def wanted_backend() -> str:
    """Return the backend of results: ``KERAS_BACKEND``, else TensorFlow. It is part of cache keys, and keras.json is not."""
    return os.environ.get("KERAS_BACKEND") or DEFAULT_BACKEND


def settings_file() -> Path:
    """Return the file of the user's settings, which Keras reads when it is imported."""
    fallback = "~/.keras" if os.access(Path.home(), os.W_OK) else "/tmp/.keras"  # noqa: S108  # Keras itself looks there
    folder = os.environ.get("KERAS_HOME") or fallback
    return Path(folder).expanduser() / "keras.json"


def ignored_settings() -> dict[str, Any]:
    """Return the user's settings that results do not depend on, because this package sets other ones."""
    try:
        found = json.loads(settings_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras uses its defaults then
        return {}
    needed = {**NEEDED, "backend": wanted_backend()}
    changed = {name: found[name] for name in needed if isinstance(found, dict) and name in found}
    return {name: value for name, value in changed.items() if value != needed[name]}


def import_keras() -> Any:
    """Import Keras with the needed settings and without the messages that TensorFlow prints; return it.

    Raises:
        WorkersUnavailable: that is impossible; the message names the setting or the package.
    """
    os.environ.pop(LEGACY, None)
    if "keras" not in sys.modules:
        _import_quietly()
    import keras

    _check_backend(keras.config.backend())
    _set(keras, {**NEEDED, "dtype_policy": NEEDED["floatx"]})
    return keras


def gpus_of_keras() -> tuple[str, ...]:
    """Return the names of the GPUs that Keras computes on in this process, by its backend, which opens them."""
    keras: Any = sys.modules.get("keras") or import_keras()  # importing sets the user's own Keras, too
    if keras.backend.backend() == "torch":
        return tuple(f"cuda:{number}" for number in range(import_module("torch").cuda.device_count()))
    return tuple(name for name in keras.distribution.list_devices() if not name.lower().startswith("cpu"))


def device_of_keras() -> DeviceKind:
    """Return what Keras computes on in this process."""
    return "gpu" if gpus_of_keras() else "cpu"


def set_up_scoring(cores: int) -> None:
    """Set this process up, before it imports anything that computes, for one scoring thread per core; the user's settings stay.

    Each call computes in one thread, and several run at once.
    """
    for name, value in {**dict.fromkeys(THREAD_VARIABLES, "1"), "TF_NUM_INTEROP_THREADS": str(cores)}.items():
        os.environ.setdefault(name, value)


@contextmanager
def keras_of_results() -> Iterator[None]:
    """Import Keras with the needed settings, and restore those that a user's own process had."""
    before = _settings(sys.modules["keras"]) if "keras" in sys.modules else {}
    legacy = os.environ.get(LEGACY)
    keras = import_keras()
    try:
        yield
    finally:
        _set(keras, before)
        os.environ.update({} if legacy is None else {LEGACY: legacy})


@contextmanager
def default_backend() -> Iterator[None]:
    """Set ``KERAS_BACKEND`` where the user does not, so that an import of Keras inside does not take that of keras.json."""
    given = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = wanted_backend()
    try:
        yield
    finally:
        os.environ.pop("KERAS_BACKEND", None)
        os.environ.update({} if given is None else {"KERAS_BACKEND": given})


def _import_quietly() -> None:
    with default_backend(), _silenced_native_stderr():
        try:
            import keras  # noqa: F401
        except Exception as error:  # of a backend or its libraries, of any type
            raise WorkersUnavailable(_import_problem(error)) from error


def _import_problem(error: Exception) -> str:
    reason = as_line(f"{type(error).__name__}: {error}".splitlines()[0])
    settings = ", ".join(f"{name}={value}" for name, value in ignored_settings().items() if name != "backend")
    if wanted_backend() != DEFAULT_BACKEND:
        remedy = f"KERAS_BACKEND is {wanted_backend()}: unset it, or install that backend"
    elif settings and not isinstance(error, ImportError):
        remedy = f"{settings_file()} sets {settings}: correct it, or remove the file"
    else:
        remedy = REINSTALL
    return f"Keras cannot be imported: {reason}. {remedy}"


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise WorkersUnavailable(f"KERAS_BACKEND is {backend}, which cannot train: unset it, or use {' or '.join(BACKENDS)}")
    if backend != wanted_backend():
        raise WorkersUnavailable(
            f"this process has imported Keras with the backend {backend}, but results are computed with {wanted_backend()}: "
            f"set KERAS_BACKEND={backend} to compute with it, or use --workers 1 or more"
        )


def _settings(keras: Any) -> dict[str, Any]:
    config = keras.config
    return {
        "floatx": config.floatx(),
        "epsilon": config.epsilon(),
        "image_data_format": config.image_data_format(),
        "dtype_policy": config.dtype_policy(),
    }


def _set(keras: Any, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        getattr(keras.config, f"set_{name}")(value)


@contextmanager
def _silenced_native_stderr() -> Iterator[None]:
    stderr_copy = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as devnull:
            os.dup2(devnull.fileno(), 2)
            yield
    finally:
        os.dup2(stderr_copy, 2)
        os.close(stderr_copy)
