"""Choose what a factory is given: the arguments of the harness that its signature names, so that arguments can be added."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cxrbench.errors import ConfigError
from cxrbench.plugin.specs import Dataset, Imbalance

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cxrbench.plugin.specs import Spec

NAMED = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def filled_arguments(spec: Spec, factory: Callable[..., Any]) -> frozenset[str]:
    """Return the arguments that the harness fills and users cannot set.

    An argument that was added after API 1.0 counts only where the factory names it without a default: one with a default is
    an option of a plugin that was written before. The first argument of a dataset is the source, and that of an imbalance
    strategy the fold, whatever its name.
    """
    named = named_parameters(factory)
    required = {name for name, parameter in named.items() if parameter.default is inspect.Parameter.empty}
    first = list(named)[:1] if isinstance(spec, Dataset | Imbalance) else ()
    return spec.FILLED.union(first) | (spec.ADDED & required - spec.fixed.keys())


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
    filled, named = filled_arguments(spec, factory), named_parameters(factory)
    added = spec.ADDED - filled
    unnamed = set() if takes_any_option(factory) else (filled | spec.KEPT) - named.keys()
    if refused := sorted(unnamed & given.keys() & set(chosen)):
        name = refused[0]
        raise ConfigError(f"{spec.name} cannot be used with {name}={given[name]}: its factory has no argument {name!r}")
    return {name: value for name, value in given.items() if name not in unnamed | added}


def named_parameters(factory: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a factory that can be given by name, in the order of its signature."""
    parameters = inspect.signature(factory).parameters
    return {name: parameter for name, parameter in parameters.items() if parameter.kind in NAMED}


def takes_any_option(factory: Callable[..., Any]) -> bool:
    """Return whether a factory takes any keyword argument."""
    parameters = inspect.signature(factory).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def annotation_of(parameter: inspect.Parameter, factory: Callable[..., Any]) -> Any:
    """Return the type of a parameter, the text of one that cannot be evaluated, or `inspect.Parameter.empty` without any."""
    alone = ModuleType(parameter.name)  # other annotations of the factory may name what is imported for type checkers only
    alone.__annotations__ = {parameter.name: parameter.annotation}
    try:
        return inspect.get_annotations(alone, globals=getattr(factory, "__globals__", {}), eval_str=True)[parameter.name]
    except Exception:  # this one does, or it is no type at all: evaluating a text may raise anything
        return str(parameter.annotation)
