"""What a plugin declares: frozen records that can be listed, compared and written down without importing anything.

A factory (and every other code a declaration points to) is an import string ``"package.module:attribute"``, resolved only when
a run needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

ROUNDING = 1e-6
"""Of a step: how far a value may lie beside it."""
Value = bool | int | float | str
"""What an option or a searched parameter may be: the scalars of TOML."""


Condition = tuple[str, tuple[Value, ...]]
"""The name of another parameter and the values of it under which something counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """A searched real number in ``low..high``, on a log scale if `log`, or in steps from `low` if there is a `step`.

    `when` holds the conditions, all of them, under which it is searched at all.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Int:
    """A searched whole number in ``low..high``, both included, in steps from `low`; log and `when` as in `Float`."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A searched choice between `options`; `when` as in `Float`."""

    options: tuple[Value, ...]
    when: tuple[Condition, ...] = ()


Parameter = Float | Int | Choice
Space = Mapping[str, Parameter]
"""Searched parameters by name, each after those that its conditions name."""


def is_searched(parameter: Parameter, params: Mapping[str, Value]) -> bool:
    """Return whether all conditions of a parameter hold for the values of the ones before it."""
    return all(name in params and params[name] in values for name, values in parameter.when)


def is_inside(parameter: Parameter, value: Value) -> bool:
    """Return whether a value is one of a parameter's: of its type, within its bounds, on a step."""
    if isinstance(parameter, Choice):
        return any(value == option and type(value) is type(option) for option in parameter.options)
    kind = int if isinstance(parameter, Int) else (int, float)
    if not isinstance(value, kind) or isinstance(value, bool) or not parameter.low <= value <= parameter.high:
        return False
    steps = (value - parameter.low) / parameter.step if parameter.step else 0.0
    return abs(steps - round(steps)) < ROUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What every declaration has.

    Attributes:
        name: kebab-case, unique within its kind; what users write.
        factory: ``"module:attribute"`` of the callable that does the work; contracts.py says what it must return. Its keyword
            parameters, with their annotations and defaults, are the options that users may set.
        summary: one line for ``cxrbench plugins list``.
        requires: packages that pip must have installed, beyond those that cxrbench itself needs.
        fixed: arguments of the factory that the declaration sets and users cannot.
        points_to: options whose values are import strings; the source of the package that they name counts as the plugin's own.
        FILLED: arguments of the factory that the harness sets and users cannot.
        KEPT: options that users may set and that stay with the harness.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset()
    KEPT: ClassVar[frozenset[str]] = frozenset()

    name: str
    factory: str
    summary: str = ""
    requires: tuple[str, ...] = ()
    fixed: Mapping[str, Value] = field(default_factory=dict)
    points_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Spec):
    """Images with labels, patients and the source's own split: ``factory(source, **options) -> Images``.

    Attributes:
        claims: ``"module:attribute"`` of a cheap test ``(path) -> bool`` whether a bare path is of this kind.
        download: ``"module:attribute"`` of ``(**options) -> Download`` for a source that can be fetched when none is given.
        layout: what a source looks like on disk, in a few words, for the error that nothing claimed a path.
        notice: a line to be printed with every table made from these images.
    """

    KEPT: ClassVar[frozenset[str]] = frozenset({"source"})

    claims: str = ""
    download: str = ""
    layout: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone(Spec):
    """Images to feature vectors: ``factory(*, input_shape, weights, seed, **options) -> callable``.

    Attributes:
        weights: ``"module:attribute"`` of ``(*, input_shape, weights, **options) -> Download | None``, which says where the
            pretrained weights lie and where they come from. Empty for a backbone that has none.
        control: whether this backbone must NOT do well; controls run once in every run.
        space: ``"module:attribute"`` of ``(*, input_shape, **options) -> Space``, called in a worker: parameters of the
            backbone that the search sets and that arrive as options; features are extracted for each setting that is tried.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"input_shape", "seed"})
    KEPT: ClassVar[frozenset[str]] = frozenset({"weights"})

    weights: str = ""
    control: bool = False
    space: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation(Spec):
    """Random transforms of training images: ``factory(*, input_shape, seed, **options) -> callable``.

    Attributes:
        views: how many augmented views of every image are drawn, unless the user says ``name:views=8``; 0 for none.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"input_shape", "seed"})
    KEPT: ClassVar[frozenset[str]] = frozenset({"views"})

    views: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance(Spec):
    """A strategy against class imbalance: ``factory(fold, *, seed, **options) -> Balance``.

    Attributes:
        needs_features: whether ``fold.features`` must be filled in; otherwise it is None and costs nothing.
        space: further parameters of the strategy that the search sets; they arrive as options.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"fold", "seed"})

    needs_features: bool = False
    space: Space = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Spec):
    """Who proposes the next trial: ``factory(*, space, seed, **options) -> Proposer``."""

    FILLED: ClassVar[frozenset[str]] = frozenset({"space", "seed"})
