"""What holds for a plugin of any kind: it loads, stays light, can be written down, and says what it needs."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from cxrbench.config.component import check_options
from cxrbench.errors import ConfigError, MissingRequirement
from cxrbench.plugin import specs
from cxrbench.plugin.host import KEBAB_CASE, RESERVED
from cxrbench.testing.check import Check, ContractBroken, NotCheckable, require
from cxrbench.testing.subject import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.testing.subject import Subject

HEAVY = (
    *("tensorflow", "keras", "keras_tuner", "torch", "jax", "optuna", "sklearn"),
    *("skimage", "imblearn", "pandas", "scipy", "numpy", "PIL"),
)
"""What computes: importing any of these to answer `cxrbench plugins list` costs a tenth of a second to ten seconds."""
IMPORT_SECONDS = 60
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])?\s*([<>=!~;@].*)?")


def _loads(subject: Subject) -> None:
    require(not subject.plugin.blocked, f"plugin {subject.plugin.name} is blocked (--without, CXRBENCH_BLOCK)")
    require(not subject.plugin.problem, subject.plugin.problem)


def _light_import(subject: Subject) -> None:
    """Import the plugin's module in a Python of its own and look at what came along."""
    file = subject.plugin.file
    load = (
        f"from pathlib import Path; from cxrbench.plugin.references import load_file; load_file(Path({str(file)!r}))"
        if file
        else f"import importlib; importlib.import_module({subject.module!r})"
    )
    code = f"import sys; sys.path[:0] = {sys.path!r}; {load}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_SECONDS)
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    require(done.returncode == 0, f"importing {subject.module} in a fresh Python fails: {last}")
    found = done.stdout.split("\n")[-2].split()
    require(not found, f"importing {subject.module} imports {', '.join(found)}, too")


def _name(subject: Subject) -> None:
    name = subject.part.spec.name
    require(KEBAB_CASE.fullmatch(name), f"{name!r} is not kebab-case")
    require(name not in RESERVED, f"{name!r} means every {subject.kind} on the command line")


def _json(subject: Subject) -> None:
    spec = subject.part.spec
    for field in fields(spec):
        _require_writable(field.name, getattr(spec, field.name))
    try:
        text = json.dumps(_plain(spec), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractBroken(f"the declaration cannot be written as JSON: {error}") from None
    require(_restored(type(spec), json.loads(text)) == spec, "the declaration read back from JSON is another one")


def _require_writable(name: str, value: Any) -> None:
    """Refuse what a declaration cannot hold: anything but scalars, tuples of them, and parameters by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else None
    require(inner is not None, f"{name} holds {value!r}, which is no bool, int, float, str, nor a tuple or dict of them")
    for key, part in inner or ():
        _require_writable(f"{name}[{key!r}]", part)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: [type(part).__name__, _plain(part)] if is_dataclass(part) else part for key, part in value.items()}
    return value


def _restored(kind: type[Any], content: Mapping[str, Any]) -> Any:
    """Make a record again from what JSON made of it."""
    given = {name: _value(part) for name, part in content.items()}
    return kind(**given)


def _value(part: Any) -> Any:
    if isinstance(part, list):
        return tuple(_value(inner) for inner in part)
    if isinstance(part, dict):
        return {name: _parameter(inner) for name, inner in part.items()}
    return part


def _parameter(part: Any) -> Any:
    return _restored(getattr(specs, part[0]), part[1]) if isinstance(part, list) else part


def _factory(subject: Subject) -> None:
    """Hold the harness's call against the factory's signature, without calling it."""
    part = subject.part
    try:
        factory = part.resolve(part.spec.factory)
    except Exception as error:
        if missing := _missing_package(subject, error):
            raise NotCheckable(f"{missing} is not installed") from None
        raise ContractBroken(f"factory {part.spec.factory!r}: {one_line(error)}") from None
    require(callable(factory), f"factory {part.spec.factory!r} is {factory!r}, which cannot be called")
    given = dict.fromkeys([*_given(subject), *part.arguments])
    positional = {"dataset": [None], "imbalance": [None]}.get(subject.kind, [])
    try:
        bound = inspect.signature(factory).bind_partial(*positional, **given)
    except TypeError as error:
        raise ContractBroken(f"factory {part.spec.factory!r} cannot be called as the harness calls it: {error}") from None
    asked = [name for name, parameter in bound.signature.parameters.items() if _is_asked(parameter, bound.arguments)]
    if asked:
        written = ",".join(f"{name}=..." for name in asked)
        raise NotCheckable(f"it must be told more: cxrbench plugins check {part.component.name}:{written}")


def _given(subject: Subject) -> list[str]:
    """Return the arguments that the harness gives by name."""
    names = set(subject.part.spec.FILLED) - {"fold"}
    space = getattr(subject.part.spec, "space", None)
    weights = {"weights"} if subject.kind == "backbone" else set()
    return sorted(names | weights | set(space if isinstance(space, dict) else ()))


def _is_asked(parameter: inspect.Parameter, given: Mapping[str, Any]) -> bool:
    """Return whether a factory insists on an argument that nobody gave."""
    optional = parameter.default is not inspect.Parameter.empty
    return not optional and parameter.name not in given and parameter.kind not in VARIADIC


def _requirements(subject: Subject, build: Callable[[Subject], Any]) -> None:
    """Have a missing package explained: declared in `requires`, and named with its pip command."""
    strange = [text for text in subject.part.spec.requires if not REQUIREMENT.fullmatch(text)]
    require(not strange, f"requires names {strange}, which pip cannot install")
    try:
        build(subject)
    except MissingRequirement as error:
        require("pip install" in str(error), f"the error for a missing package names no pip command: {error}")
    except (Exception, SystemExit) as error:
        missing = _missing_package(subject, error)
        require(not missing, f"it needs {missing}, which is not installed and which `requires` does not name")


def _builds(subject: Subject, build: Callable[[Subject], Any]) -> None:
    try:
        _factory(subject)
    except ContractBroken:
        raise NotCheckable("there is no factory to call: see the check factory") from None
    try:
        check_options(subject.part)
        build(subject)
    except (ContractBroken, NotCheckable):
        raise
    except MissingRequirement as error:
        raise NotCheckable(str(error)) from None
    except ConfigError as error:
        if subject.part.component.options:
            raise ContractBroken(f"the factory refuses these options: {error}") from None
        raise NotCheckable(f"as it is called here, it refuses: {error}") from None
    except (Exception, SystemExit) as error:
        if missing := _missing_package(subject, error):
            raise NotCheckable(f"{missing} is not installed") from None
        raise ContractBroken(f"the factory raised {one_line(error)}") from None


def _missing_package(subject: Subject, error: BaseException) -> str:
    """Return what an error, or one behind it, did not find: a module that is not the factory's own."""
    own = subject.part.spec.factory.partition(":")[0].partition(".")[0]
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, ModuleNotFoundError) and behind.name and behind.name.partition(".")[0] != own:
            return behind.name
        behind = behind.__cause__ or behind.__context__
    return ""


LOADS = Check(
    name="loads",
    kind="any",
    reason="a plugin that cannot be imported, or whose hooks fail, declares nothing",
    remedy="repair what the message names; python -c 'import MODULE' shows the whole traceback",
    function=_loads,
)


def checks_of_any(build: Callable[[Subject], Any]) -> tuple[Check, ...]:
    """Return the checks of all kinds; `build` makes a subject's object as the harness does."""
    return (
        LOADS,
        Check(
            name="light-import",
            kind="any",
            reason="listing plugins must not take seconds: everybody pays for the slowest",
            remedy="move the imports into the functions that need them",
            function=_light_import,
        ),
        Check(
            name="name",
            kind="any",
            reason="users write the name on the command line",
            remedy="use a-z, 0-9 and single hyphens, and no reserved word",
            function=_name,
        ),
        Check(
            name="declaration-json",
            kind="any",
            reason="declarations are written into results and cache keys",
            remedy="declare bool, int, float, str and the records of cxrbench.plugin only",
            function=_json,
        ),
        Check(
            name="factory",
            kind="any",
            reason="the harness imports the factory when a run needs it, and calls it with fixed arguments",
            remedy="write factory=f'{__name__}:function', take the arguments of the contract and give all others a default",
            function=_factory,
        ),
        Check(
            name="requirements",
            kind="any",
            reason="a missing package must be a sentence with a pip command, not a traceback",
            remedy="name the package in the declaration: requires=('package',)",
            function=lambda subject: _requirements(subject, build),
        ),
        Check(
            name="builds",
            kind="any",
            reason="what cannot be built cannot take part",
            remedy="call the factory yourself with the arguments of the contract, and repair what it raises",
            function=lambda subject: _builds(subject, build),
        ),
    )
