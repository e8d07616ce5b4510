"""Where features are extracted: only a network of Keras has use for a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cxrbench.execution.executor import Executor
    from cxrbench.models.features.extraction import Extraction
    from cxrbench.models.features.frozen_backbone import FrozenBackbone


def placement(extractions: Iterable[Extraction], executor: Executor) -> Callable[[Extraction], Executor]:
    """Return a function of each extraction to the executor of its shards.

    With GPUs, a worker builds each backbone to see whether it is a network. One that cannot be built is none; extracting it
    says why.

    Raises:
        ConfigError: as of `Executor.for_networks`.
    """
    wanted = list(extractions)
    networks = executor.for_networks() if wanted else executor
    if networks is executor:
        return lambda extraction: executor
    calls = {
        backbone: executor.submit(is_network, backbone) for backbone in dict.fromkeys(one.frozen_backbone for one in wanted)
    }

    def place(extraction: Extraction) -> Executor:
        call = calls[extraction.frozen_backbone]
        return networks if not call.exception() and call.result() else executor

    return place


def is_network(backbone: FrozenBackbone) -> bool:
    """Return whether a backbone is a network of Keras."""
    return backbone.is_network
