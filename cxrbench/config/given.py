"""Choose what a factory is given: the arguments of the harness that its signature names, so that arguments can be added."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cxrbench.plugin.specs import Spec

NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def filled_arguments(spec: Spec, factory: Callable[..., Any]) -> frozenset[str]:
    """Return the arguments that the harness fills and users cannot set.

    An argument that was added after API 1.0 counts only where the factory names it without a default: one with a default is
    an option of a plugin that was written before.
    """
    required = {name for name, parameter in _named(factory).items() if parameter.default is inspect.Parameter.empty}
    return spec.FILLED | (spec.ADDED & required - spec.fixed.keys())


def arguments_to_give(
    spec: Spec, factory: Callable[..., Any], given: Mapping[str, Any], chosen: Collection[str]
) -> dict[str, Any]:
    """Return those arguments of the harness that the factory takes.

    Args:
        spec: the declaration of the factory.
        factory: one that takes any keyword argument gets all those of API 1.0.
        given: the arguments of the harness, and parameters that are searched: these are never left out.
        chosen: names of the options that the user wrote.

    Raises:
        ConfigError: the user wrote an option that the harness passes on and the factory does not name.
    """
    filled, named = filled_arguments(spec, factory), _named(factory)
    added = spec.ADDED - filled
    unnamed = set() if _takes_any(factory) else (filled | spec.KEPT) - named.keys()
    if refused := sorted(unnamed & given.keys() & set(chosen)):
        name = refused[0]
        raise ConfigError(f"{spec.name} cannot be used with {name}={given[name]}: its factory has no argument {name!r}")
    return {name: value for name, value in given.items() if name not in unnamed | added}


def _named(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory).parameters
    return {name: parameter for name, parameter in parameters.items() if parameter.kind in NAMED}


def _takes_any(factory: Callable[..., Any]) -> bool:
    parameters = inspect.signature(factory).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
