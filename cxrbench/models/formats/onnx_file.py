"""Write a Keras model as an ONNX file with facts about it inside, and read those facts."""

from __future__ import annotations

import logging
import tempfile
import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxrbench.errors import CxrbenchError, MissingRequirement
from cxrbench.storage.files import atomic_write, reporting_full_disk
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OPSET = 15
"""Version of ONNX's operators: of February 2022, so that older programs read the file, too. tf2onnx 1.17 writes 9 to 18."""
BATCH = "batch"
"""Name of the first dimension of inputs and outputs, which can be of any size."""


def write_onnx(model: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a model as one ONNX file that takes batches of any size.

    Its input has the name of the ``keras.Input``. Its outputs have the order of the model's, and their names: the keys if the
    model's output is a dictionary, or else the names of its output layers.

    Args:
        model: a functional ``keras.Model`` of float32 layers, with one input.
        path: of the file; one that exists is replaced.
        metadata: facts that are stored in the file. ONNX Runtime shows them as ``get_modelmeta().custom_metadata_map``.

    Raises:
        MissingRequirement: the packages that write ONNX are not installed.
        CxrbenchError: a layer of the model has no counterpart in ONNX, or the model does not compute in float32.
    """
    _require("onnx", "tf2onnx")
    import onnx

    outputs = _named_outputs(model)
    with _quiet():
        exported = _exported(model, outputs)
        _put_in_order(exported.graph, list(outputs))
        onnx.helper.set_model_props(exported, dict(metadata))
        _check(exported)
    with atomic_write(path) as file:
        file.write(exported.SerializeToString())


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """Return the facts that are stored in an ONNX file.

    Raises:
        MissingRequirement: the package that reads ONNX is not installed.
        CxrbenchError: the file cannot be read, or is not an ONNX file.
    """
    _require("onnx")
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise CxrbenchError(f"{path} cannot be read: {error.strerror}") from None
    except DecodeError:
        raise CxrbenchError(f"{path} is not an ONNX file, or is cut off. Download or write it again") from None
    return {one.key: one.value for one in model.metadata_props}


def _require(*packages: str) -> None:
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        names = " and ".join(missing)
        raise MissingRequirement(f"ONNX files need {names}, not installed here: pip install 'cxrbench[onnx]'")


def _named_outputs(model: Any) -> dict[str, Any]:
    """Return the outputs of a model by name, in their order."""
    if isinstance(model.output, dict):
        return dict(model.output)
    return dict(zip(model.output_names, model.outputs, strict=True))


def _exported(model: Any, outputs: Mapping[str, Any]) -> Any:
    """Return a model in ONNX; Keras writes the names of outputs only if they are keys, and then sorts them."""
    import keras
    import onnx

    named = keras.Model(model.inputs, dict(outputs))
    folder = Path(tempfile.gettempdir())
    with reporting_full_disk(folder), tempfile.TemporaryDirectory(dir=folder) as inside:
        file = Path(inside) / "model.onnx"
        try:
            named.export(file, format="onnx", verbose=False, input_signature=list(model.inputs), opset_version=OPSET)
        except Exception as error:  # the converters raise as they please
            raise _not_convertible(error) from error
        return onnx.load(file)


def _put_in_order(graph: Any, names: list[str]) -> None:
    """Put the outputs of a graph in the order of these names, and name the first dimension of inputs and outputs."""
    outputs = sorted(graph.output, key=lambda output: names.index(output.name))
    del graph.output[:]
    graph.output.extend(outputs)
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = BATCH


def _check(exported: Any) -> None:
    """Refuse a file that no program could run: tf2onnx writes layers that it does not know under names of TensorFlow."""
    import onnx

    try:
        onnx.checker.check_model(exported, full_check=True)
    except Exception as error:  # of two types without a common parent
        raise _not_convertible(error) from error


def _not_convertible(error: Exception) -> CxrbenchError:
    reason = as_line((str(error).strip().splitlines() or [type(error).__name__])[0])
    return CxrbenchError(f"the model cannot be written as ONNX: {reason}. Its layers must be float32 and known to tf2onnx")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Keras and tf2onnx say about their own code (np.object, names that Python deprecates) and about layers."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
