"""Say which requirement of cxrbench is broken, in place of a traceback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cxrbench.errors import MissingRequirement

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def importing_requirements() -> Iterator[None]:
    """Raise MissingRequirement if the block cannot import a package that cxrbench needs."""
    try:
        yield
    except ImportError as error:
        raise MissingRequirement(
            f"cannot import what cxrbench needs: {error}. Run: pip install --force-reinstall cxrbench"
        ) from None
