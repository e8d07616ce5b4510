"""Check signatures: whether the functions of a declaration take what the harness gives them, and users' options reach them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cxrbench.config.given import arguments_to_give, filled_arguments, named_parameters, takes_any_option
from cxrbench.testing.outcome import ContractBroken, NotCheckable, require
from cxrbench.testing.subject import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.testing.subject import Subject

VARIADIC_KINDS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
POSITIONAL = {"dataset": [None], "imbalance": [None]}
"""What the harness gives the factories of a kind by position."""
WITH_OPTIONS = {"weights": ("input_shape", "weights"), "download": ()}
"""The fields that name a function of the user's options, each with what the harness gives it besides."""


def check_factory(subject: Subject) -> None:
    """Compare the factory's signature with the harness's call, without calling it."""
    part = subject.part
    try:
        factory = part.resolve(part.spec.factory)
    except Exception as error:
        if missing := missing_package(subject, error):
            raise NotCheckable(f"{missing} is not installed") from None
        raise ContractBroken(f"factory {part.spec.factory!r}: {error_line(error)}") from None
    require(callable(factory), f"factory {part.spec.factory!r} is {factory!r}, which is not callable")
    positional = POSITIONAL.get(subject.kind, [])
    try:
        given = arguments_to_give(part.spec, factory, dict.fromkeys(_harness_arguments(subject)), ())
        bound = inspect.signature(factory).bind_partial(*positional, **{**part.arguments, **given})
    except TypeError as error:
        raise ContractBroken(f"factory {part.spec.factory!r} does not accept the harness's arguments: {error}") from None
    require(
        not getattr(part.spec, "weights", "") or "weights" in given,
        f"it declares pretrained weights, but factory {part.spec.factory!r} has no argument weights to choose them by",
    )
    _check_options_reach(subject, factory, given)
    required = [name for name, parameter in bound.signature.parameters.items() if _is_missing(parameter, bound.arguments)]
    if required:
        options = ",".join(f"{name}=..." for name in required)
        raise NotCheckable(f"it needs options: {subject.command(options)}")


def _harness_arguments(subject: Subject) -> list[str]:
    """Return the names of the keyword arguments that the harness passes."""
    names = (subject.part.spec.FILLED | subject.part.spec.ADDED) - {"fold"}
    space = getattr(subject.part.spec, "space", None)
    weights = {"weights"} if subject.kind == "backbone" else set()
    return sorted(names | weights | set(space if isinstance(space, dict) else ()))


def _is_missing(parameter: inspect.Parameter, given: Mapping[str, Any]) -> bool:
    """Return whether a parameter of the factory is required and not given."""
    optional = parameter.default is not inspect.Parameter.empty
    return not optional and parameter.name not in given and parameter.kind not in VARIADIC_KINDS


def _check_options_reach(subject: Subject, factory: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Require that no option of the factory is kept from it, and that the other functions take them all."""
    spec = subject.part.spec
    filled = filled_arguments(spec, factory)
    named = [name for name in named_parameters(factory) if name not in filled]
    kept = sorted(spec.KEPT.intersection(named) - given.keys())
    require(
        not kept,
        f"factory {spec.factory!r} has an argument {', '.join(kept)}, which it never gets: the harness uses that option",
    )
    unknown = [name for name in spec.points_to if name not in named and not takes_any_option(factory)]
    require(not unknown, f"points_to names {', '.join(unknown)}, which is not an option of factory {spec.factory!r}")
    options = [name for name in named if name not in given and name not in spec.KEPT]
    for field in WITH_OPTIONS:
        if text := getattr(spec, field, ""):
            _check_takes(subject, field, text, options)


def _check_takes(subject: Subject, field: str, text: str, options: list[str]) -> None:
    """Require that a function of the declaration takes every option of the factory."""
    try:
        function = subject.part.resolve(text)
    except Exception as error:
        raise ContractBroken(f"{field} {text!r}: {error_line(error)}") from None
    try:
        inspect.signature(function).bind_partial(**dict.fromkeys([*WITH_OPTIONS[field], *options]))
    except TypeError as error:
        raise ContractBroken(
            f"{field} {text!r} does not accept what the factory does, with which it is called: {error}"
        ) from None


def missing_package(subject: Subject, error: BaseException) -> str:
    """Return the module that an error or its cause reports as missing, unless it is the factory's own package."""
    own_package = subject.part.spec.factory.partition(":")[0].partition(".")[0]
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name and cause.name.partition(".")[0] != own_package:
            return cause.name
        cause = cause.__cause__ or cause.__context__
    return ""
