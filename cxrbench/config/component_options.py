"""List what users may write after a component's name: the options of its factory, and those of the harness."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from cxrbench.config.given import annotation_of, filled_arguments, named_parameters, takes_any_option
from cxrbench.config.options import default_weights
from cxrbench.plugin.specs import Augmentation, Backbone, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.config.part import Part
    from cxrbench.plugin.specs import Spec, Value

ANY_OPTION = "..."
"""The name that stands for any further option, where a factory takes all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentOption:
    """One option of a component.

    Attributes:
        type: as users may read it, such as ``int`` or ``native|rescale``; empty if the factory does not say.
        default: None for one that must be given.
        of: who uses its value, the factory or the harness.
    """

    name: str
    type: str
    default: Value | None
    of: Literal["plugin", "harness"]


def component_options(part: Part[Spec], factory: Callable[..., Any]) -> list[ComponentOption]:
    """Return the options of a component in the order of its factory's signature, then those of the harness."""
    hidden = filled_arguments(part.spec, factory) | part.spec.fixed.keys() | part.spec.KEPT
    own = [
        ComponentOption(name=name, type=_type(one, factory), default=_default(one), of="plugin")
        for name, one in named_parameters(factory).items()
        if name not in hidden
    ]
    if takes_any_option(factory):
        own.append(ComponentOption(name=ANY_OPTION, type="", default="", of="plugin"))
    return [*own, *_of_the_harness(part.spec)]


def _of_the_harness(spec: Spec) -> list[ComponentOption]:
    if isinstance(spec, Dataset):
        return [ComponentOption(name="source", type="path", default="", of="harness")]
    if isinstance(spec, Backbone):
        return [
            ComponentOption(name="weights", type="str", default=default_weights(spec), of="harness"),
            ComponentOption(name="seen", type="str", default="+".join(spec.seen), of="harness"),
        ]
    if isinstance(spec, Augmentation):
        return [ComponentOption(name="views", type="int", default=spec.views, of="harness")]
    return []


def _default(parameter: inspect.Parameter) -> Value | None:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return None
    return default if isinstance(default, bool | int | float | str) else str(default)


def _type(parameter: inspect.Parameter, factory: Callable[..., Any]) -> str:
    """Return a type in words; the choices of a Literal, and the source text of what only type checkers import."""
    found = annotation_of(parameter, factory)
    if found is inspect.Parameter.empty:
        return ""
    if get_origin(found) is Literal:
        return "|".join(str(choice) for choice in get_args(found))
    return found if isinstance(found, str) else inspect.formatannotation(found)
