"""First-party experimental designs: engines that plan all trials of a study before the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.plugin import Engine, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

requires_api = ">=1.1,<2"


@hookimpl
def register_engines() -> Iterable[Engine]:
    """Declare every engine of this package."""
    return (
        Engine(
            name="latin-hypercube",
            factory="cxrbench_designs.latin_hypercube:engine",
            summary="--trials settings, spread evenly over the range of every parameter",
        ),
    )
