"""Write `arguments.py`, the typed arguments of `cxrbench.run`, from the fields of `Settings`.

Run ``python -m cxrbench.config.stub`` after a setting was added or changed; a test compares the file with the settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cxrbench.config.option import options_of, value_type
from cxrbench.config.settings import Settings
from cxrbench.storage.files import write_text

FILE = Path(__file__).with_name("arguments.py")
HEAD = '''"""The arguments of `cxrbench.run`, for editors and type checkers. Written by ``python -m cxrbench.config.stub``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict


class Arguments(TypedDict, total=False):
    """Every setting of a run; the default of each is what ``cxrbench run --help`` shows."""

'''


def arguments_source() -> str:
    """Return the source of `arguments.py`."""
    source = HEAD
    for name, option in options_of(Settings).items():
        field = Settings.model_fields[name]
        optional = " | None" if field.get_default(call_default_factory=True) is None else ""
        source += f'    {name}: {_spelled(value_type(field.annotation))}{optional}\n    """{option.help}."""\n'
    return source


def _spelled(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"Sequence[{_spelled(get_args(kind)[0])}]"
    if get_origin(kind) is Literal:
        return "Literal[" + ", ".join(f'"{choice}"' for choice in get_args(kind)) + "]"
    return "str | Path" if kind is Path else str(kind.__name__)


if __name__ == "__main__":
    write_text(FILE, arguments_source())
