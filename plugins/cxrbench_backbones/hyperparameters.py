"""KerasTuner's hyper-parameters as a space: kinds, steps, scales and conditions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxrbench.plugin import Choice, Float, Int, PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxrbench.plugin import Condition, Parameter, Space, Value

KEPT = frozenset({"learning_rate", "dropout", "threshold"})
"""Names that the harness searches itself: a hypermodel's own stay at their defaults, for they train a head that is left out."""


def space_of(found: Iterable[Any], values: Mapping[str, Value]) -> Space:
    """Return what can be searched of KerasTuner's hyper-parameters, parents before children.

    Args:
        found: as ``HyperParameters.space`` lists them.
        values: what is set already; conditions on it are decided here.

    Raises:
        PluginError: two of one name that differ.
    """
    space: dict[str, Parameter] = {}
    settled = dict(values)
    for one in found:
        parameter = None if one.name in values or one.name in KEPT else _parameter(one)
        conditions = _open_conditions(one, settled)
        if conditions is None:  # can never hold
            continue
        if parameter is None:
            settled.setdefault(one.name, one.default)
        elif one.name not in space:
            space[one.name] = replace(parameter, when=conditions)
        elif replace(space[one.name], when=()) == parameter:
            space[one.name] = parameter  # under several conditions: always searched, and ignored where none holds
        else:
            raise PluginError(f"hypermodel: two different hyper-parameters are called {one.name!r}: give each its own name")
    return space


def _open_conditions(one: Any, settled: Mapping[str, Value]) -> tuple[Condition, ...] | None:
    """Return the conditions that the search decides; None if one of those that are decided already does not hold."""
    conditions: list[Condition] = []
    for condition in one.conditions:
        if condition.name not in settled:
            conditions.append((condition.name, tuple(condition.values)))
        elif settled[condition.name] not in condition.values:
            return None
    return tuple(conditions)


def _parameter(one: Any) -> Parameter | None:
    """Return a hyper-parameter as a parameter; None for a fixed one."""
    match type(one).__name__:
        case "Choice":
            return Choice(options=tuple(one.values))
        case "Boolean":
            return Choice(options=(False, True))
        case "Int" | "Float":
            return _number(one)
        case "Fixed":
            return None
        case kind:
            raise PluginError(f"hypermodel: {one.name} is of KerasTuner's kind {kind}, which is not known here")


def _number(one: Any) -> Parameter:
    whole, log = type(one).__name__ == "Int", one.sampling == "log"
    low, high, step = one.min_value, one.max_value, one.step
    if log and step not in {None, 1}:  # KerasTuner multiplies by such a step
        count = math.floor(math.log(high / low, step) + 1e-9) + 1
        return Choice(options=tuple((int if whole else float)(low * step**number) for number in range(count)))
    if step is None or log:
        return Int(low=low, high=high, log=log) if whole else Float(low=float(low), high=float(high), log=log)
    last = low + math.floor((high - low) / step + 1e-9) * step
    return Int(low=low, high=last, step=step) if whole else Float(low=float(low), high=float(last), step=float(step))
