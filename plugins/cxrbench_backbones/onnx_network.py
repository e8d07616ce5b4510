"""A network in ONNX Runtime: one input of images, one output, on the CPU and in one thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxrbench.plugin import ConfigError

if TYPE_CHECKING:
    from cxrbench_backbones.images import Floats

FATAL = 4
"""The severity of ONNX Runtime's log below which it is silent; errors are exceptions as well."""
FOLDER_OF_WEIGHTS = "session.model_external_initializers_file_folder_path"
TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
OUT_OF_MEMORY = ("Failed to allocate memory", "bad allocation", "bad_alloc")
ONE_FILE = "python -c \"import onnx; onnx.save(onnx.load('MODEL.onnx'), 'ONE-FILE.onnx')\""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A loaded network.

    Attributes:
        name: for messages.
        session: of ONNX Runtime.
        shape: of the input: numbers where the file fixes them, else names or None.
        output: name of the output that is computed.
        vectors: names of the outputs that have two dimensions.
    """

    name: str
    session: Any
    shape: tuple[int | str | None, ...]
    output: str
    vectors: tuple[str, ...]

    @property
    def shape_text(self) -> str:
        """The shape of the input as messages show it."""
        return f"[{', '.join('?' if side is None else str(side) for side in self.shape)}]"

    def run(self, pixels: Floats) -> Floats:
        """Return the output for pixels in the layout of the network.

        Images are computed one at a time, unless the file fixes another size of batches: in one thread that is the fastest,
        takes the least memory, and makes no image depend on its neighbours.
        """
        fixed = self.shape[0]
        size = fixed if isinstance(fixed, int) else 1
        parts = [self._run_batch(pixels[first : first + size], size) for first in range(0, len(pixels), size)]
        return np.concatenate(parts)

    def _run_batch(self, pixels: Floats, size: int) -> Floats:
        """Run a batch, filled up to its size with copies of its first image."""
        (given,) = self.session.get_inputs()
        padded = np.concatenate([pixels, np.repeat(pixels[:1], size - len(pixels), axis=0)])
        batch = np.ascontiguousarray(padded, dtype=TYPES[given.type])
        try:
            (found,) = self.session.run([self.output], {given.name: batch})
        except Exception as error:  # ONNX Runtime's errors have no type of their own
            if any(text in str(error) for text in OUT_OF_MEMORY):
                raise MemoryError(f"{self.name}: {_reason(error)}") from None
            raise ConfigError(f"{self.name} cannot be run on {list(batch.shape)}: {_reason(error)}") from None
        return np.asarray(found, dtype=np.float32)[: len(pixels)]


def load_network(name: str, content: bytes, output: str) -> Network:
    """Load a network from the bytes of its file.

    Args:
        name: for messages.
        content: of the file.
        output: name of the output to compute; the first if empty.

    Raises:
        ConfigError: it cannot be loaded, or its inputs and outputs are not those of a backbone.
    """
    session = _start(name, content)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        given = ", ".join(one.name for one in inputs)
        raise ConfigError(f"{name} has {len(inputs)} inputs ({given}); a backbone has one: export the part that takes images")
    if len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
        raise ConfigError(
            f"{name} takes {inputs[0].type} {inputs[0].shape}; a backbone takes floating-point images, 4 dimensions"
        )
    names = [one.name for one in outputs]
    if output and output not in names:
        raise ConfigError(f"{name} has no output {output!r}: it has {', '.join(names)}")
    return Network(
        name=name,
        session=session,
        shape=tuple(inputs[0].shape),
        output=output or names[0],
        vectors=tuple(one.name for one in outputs if len(one.shape) == 2),
    )


def _start(name: str, content: bytes) -> Any:
    """Start a session that repeats its results and reads no other file than the one whose bytes count."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the harness starts a worker for each core
    options.use_deterministic_compute = True
    options.add_session_config_entry(FOLDER_OF_WEIGHTS, os.devnull)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # likewise
        if any(text in str(error) for text in OUT_OF_MEMORY):
            raise MemoryError(f"{name}: {_reason(error)}") from None
        if "xternal" in str(error):
            raise ConfigError(f"{name} keeps weights in another file. Write all into one: {ONE_FILE}") from None
        raise ConfigError(f"{name} cannot be loaded: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return the text of an error of ONNX Runtime without its codes, in one line."""
    text = " ".join(str(error).rpartition("[ONNXRuntimeError]")[2].split())
    return text.split(" : ", 3)[-1][:300]
