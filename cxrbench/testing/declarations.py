"""Checks of plugins of any kind: loading, imports, the declaration, the factory and its requirements."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from cxrbench.config.part import check_options
from cxrbench.errors import ConfigError, MissingRequirement
from cxrbench.plugin import hooks, specs
from cxrbench.plugin.host import KEBAB_CASE, RESERVED_NAMES
from cxrbench.plugin.references import Reference
from cxrbench.testing.check import Check
from cxrbench.testing.outcome import ContractBroken, NotCheckable, require
from cxrbench.testing.signatures import check_factory, missing_package
from cxrbench.testing.subject import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.testing.subject import Subject

HEAVY_PACKAGES = (
    *("tensorflow", "keras", "keras_tuner", "torch", "jax", "optuna", "sklearn"),
    *("skimage", "imblearn", "pandas", "scipy", "numpy", "PIL"),
)
"""Packages that must not be imported to list plugins: each takes a tenth of a second to ten seconds."""
IMPORT_TIMEOUT_SECONDS = 60
REQUIREMENT_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])?\s*([<>=!~;@].*)?")


def _check_loads(subject: Subject) -> None:
    require(not subject.plugin.blocked, f"plugin {subject.plugin.name} is blocked (--without, CXRBENCH_BLOCK)")
    require(not subject.plugin.problem, subject.plugin.problem)
    named = [name for name in vars(hooks) if inspect.isfunction(getattr(subject.loaded, name, None)) and _is_hook(name)]
    forgotten = [name for name in named if name not in subject.plugin.hooks]
    require(not forgotten, f"{', '.join(forgotten)} is not marked with @hookimpl, so it is never called")


def _is_hook(name: str) -> bool:
    return hasattr(getattr(hooks, name), f"{hooks.PROJECT}_spec")


def _check_light_import(subject: Subject) -> None:
    """Import the plugin's module in a new Python process and list the heavy packages that it imported."""
    file = subject.plugin.file
    load = (
        f"from pathlib import Path; from cxrbench.plugin.references import load_file; load_file(Path({str(file)!r}))"
        if file
        else f"import importlib; importlib.import_module({subject.module!r})"
    )
    heavy, problem = _imported_heavy_packages(load, Reference(text=subject.module, file=file).source_digest())
    require(not problem, f"importing {subject.module} in a new Python process fails: {problem}")
    require(not heavy, f"importing {subject.module} also imports {', '.join(heavy)}")


@cache
def _imported_heavy_packages(load: str, digest: str) -> tuple[list[str], str]:
    """Return the heavy packages that a statement imports, or its error; once for all components of the same source."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; {load}; print(*[name for name in {HEAVY_PACKAGES} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_TIMEOUT_SECONDS)
    if done.returncode:
        return [], (done.stderr.strip().splitlines() or ["no message"])[-1]
    return done.stdout.split("\n")[-2].split(), ""


def _check_name(subject: Subject) -> None:
    name = subject.part.spec.name
    require(KEBAB_CASE.fullmatch(name), f"{name!r} is not kebab-case")
    require(name not in RESERVED_NAMES, f"{name!r} is reserved: on the command line it means every {subject.kind}")


def _check_declaration_json(subject: Subject) -> None:
    spec = subject.part.spec
    for field in fields(spec):
        _require_json_value(field.name, getattr(spec, field.name))
    try:
        text = json.dumps(_json_value(spec), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractBroken(f"the declaration cannot be written as JSON: {error}") from None
    require(_restored(type(spec), json.loads(text)) == spec, "the declaration changes when it is written to JSON and read back")


def _require_json_value(name: str, value: Any) -> None:
    """Require a value that a declaration may hold: a scalar, or a tuple, dict or dataclass of scalars."""
    if value is None or isinstance(value, bool | int | float | str):
        return
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else None
    require(inner is not None, f"{name} contains {value!r}; expected bool, int, float, str, or a tuple or dict of them")
    for key, part in inner or ():
        _require_json_value(f"{name}[{key!r}]", part)


def _json_value(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: [type(part).__name__, _json_value(part)] if is_dataclass(part) else part for key, part in value.items()}
    return value


def _restored(kind: type[Any], fields_from_json: Mapping[str, Any]) -> Any:
    """Return the dataclass that was written to JSON."""
    return kind(**{name: _restored_value(part) for name, part in fields_from_json.items()})


def _restored_value(part: Any) -> Any:
    if isinstance(part, list):
        return tuple(_restored_value(inner) for inner in part)
    if isinstance(part, dict):
        return {name: _restored_parameter(inner) for name, inner in part.items()}
    return part


def _restored_parameter(part: Any) -> Any:
    return _restored(getattr(specs, part[0]), part[1]) if isinstance(part, list) else part


def _check_requirements(subject: Subject, build: Callable[[Subject], Any]) -> None:
    """Require that a missing package is declared in `requires` and that its error has a pip command."""
    invalid = [text for text in subject.part.spec.requires if not REQUIREMENT_PATTERN.fullmatch(text)]
    require(not invalid, f"invalid requirements for pip: {invalid}")
    try:
        build(subject)
    except MissingRequirement as error:
        require("pip install" in str(error), f"the error for a missing package has no pip command: {error}")
    except (Exception, SystemExit) as error:
        missing = missing_package(subject, error)
        require(not missing, f"it needs {missing}, which is not installed and not declared in `requires`")


def _check_builds(subject: Subject, build: Callable[[Subject], Any]) -> None:
    try:
        check_factory(subject)
    except ContractBroken:
        raise NotCheckable("its factory cannot be called: see the check factory") from None
    try:
        check_options(subject.part)
        build(subject)
    except (ContractBroken, NotCheckable):
        raise
    except MissingRequirement as error:
        raise NotCheckable(str(error)) from None
    except ConfigError as error:
        if subject.part.component.options:
            raise ContractBroken(f"the factory rejects these options: {error}") from None
        raise NotCheckable(f"without options, the factory raises: {error}") from None
    except (Exception, SystemExit) as error:
        if missing := missing_package(subject, error):
            raise NotCheckable(f"{missing} is not installed") from None
        raise ContractBroken(f"the factory raised {error_line(error)}") from None


common_check = partial(Check, kind="any")

LOADS_CHECK = common_check(
    "loads",
    _check_loads,
    "a plugin that cannot be imported, or whose hooks fail, declares nothing",
    "fix the error in the message; python -c 'import MODULE' shows the whole traceback",
)
LIGHT_IMPORT_CHECK = common_check(
    "light-import",
    _check_light_import,
    "listing plugins must be fast, and it imports every plugin",
    "move the imports into the functions that need them",
)


def checks_of_any(build: Callable[[Subject], Any]) -> tuple[Check, ...]:
    """Return the checks of every kind; `build` calls a subject's factory as the harness does."""
    return (
        LOADS_CHECK,
        LIGHT_IMPORT_CHECK,
        common_check(
            "name",
            _check_name,
            "users write the name on the command line",
            "use a-z, 0-9 and single hyphens, and no reserved word",
        ),
        common_check(
            "declaration-json",
            _check_declaration_json,
            "declarations are written to results and cache keys",
            "declare only bool, int, float, str and the dataclasses of cxrbench.plugin",
        ),
        common_check(
            "factory",
            check_factory,
            "the harness imports the factory when a run needs it, and calls it with fixed arguments",
            "write factory=f'{__name__}:function', accept the arguments of the contract and give all others a default",
        ),
        common_check(
            "requirements",
            lambda subject: _check_requirements(subject, build),
            "a missing package must give one message with a pip command, not a traceback",
            "declare the package: requires=('package',)",
        ),
        common_check(
            "builds",
            lambda subject: _check_builds(subject, build),
            "a run can use only what can be built",
            "call the factory yourself with the arguments of the contract, and fix the error that it raises",
        ),
    )
