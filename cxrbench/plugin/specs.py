"""The declarations of plugins: frozen records that can be listed and compared without importing the plugin's dependencies.

A factory, like any code that a declaration refers to, is an import string ``"package.module:attribute"``. It is resolved only
when a run needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

STEP_TOLERANCE = 1e-6
"""Allowed distance of a value from the nearest step, as a fraction of the step."""
Value = bool | int | float | str
"""Types of options and searched parameters: the scalars of TOML."""


Condition = tuple[str, tuple[Value, ...]]
"""The name of another parameter, and those of its values for which the condition holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Float:
    """A searched real number in ``low..high``, on a log scale if `log`, or in steps from `low` if `step` is set.

    It is searched only when all conditions in `when` hold.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Int:
    """A searched integer in ``low..high``, both included, in steps from `low`. `log` and `when` are as in `Float`."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A searched choice between `options`. `when` is as in `Float`."""

    options: tuple[Value, ...]
    when: tuple[Condition, ...] = ()


Parameter = Float | Int | Choice
Space = Mapping[str, Parameter]
"""Searched parameters by name. A parameter comes after those that its conditions name."""


def is_searched(parameter: Parameter, params: Mapping[str, Value]) -> bool:
    """Return whether all conditions of a parameter hold for the values of earlier parameters."""
    return all(name in params and params[name] in values for name, values in parameter.when)


def is_inside(parameter: Parameter, value: Value) -> bool:
    """Return whether a value is valid for a parameter: of its type, within its bounds, and on a step."""
    if isinstance(parameter, Choice):
        return any(value == option and type(value) is type(option) for option in parameter.options)
    kind = int if isinstance(parameter, Int) else (int, float)
    if not isinstance(value, kind) or isinstance(value, bool) or not parameter.low <= value <= parameter.high:
        return False
    steps = (value - parameter.low) / parameter.step if parameter.step else 0.0
    return abs(steps - round(steps)) < STEP_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The fields that every declaration has.

    Attributes:
        name: the name that users write; kebab-case, unique within its kind.
        factory: ``"module:attribute"`` of the factory. contracts.py defines what it returns. Its keyword parameters, with
            their annotations and defaults, are the options that users may set.
        summary: one line for ``cxrbench plugins list``.
        requires: packages that must be installed in addition to the dependencies of cxrbench.
        fixed: arguments of the factory that the declaration sets and users cannot set.
        points_to: options whose values are import strings. The source of the package that they name counts as part of the
            plugin.
        FILLED: arguments that the harness gives a factory that names them; users cannot set them.
        ADDED: arguments of the harness that are newer than API 1.0, given to a factory that names them without a default.
        KEPT: options that users may set and that the harness handles itself.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset()
    ADDED: ClassVar[frozenset[str]] = frozenset()
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
        claims: ``"module:attribute"`` of a fast function ``(path) -> bool`` that returns whether this dataset can read the
            path.
        download: ``"module:attribute"`` of ``(**options) -> Download``, used when the user gives no source.
        layout: the expected files in a few words. The error for a path that no dataset can read shows it.
        notice: a line that is printed with every table made from these images.
        may_claim: like `claims`, of a function that is asked only about paths that no dataset claims: whether this dataset can
            read the path if the user says more, such as the names of classes.
    """

    KEPT: ClassVar[frozenset[str]] = frozenset({"source"})

    claims: str = ""
    download: str = ""
    layout: str = ""
    notice: str = ""
    may_claim: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone(Spec):
    """Images to feature vectors: ``factory(*, input_shape, weights, seed, **options) -> callable``.

    The factory receives ``weights: str``, the text that the user wrote in ``name:weights=TEXT``. If there is none, it is
    ``imagenet`` if the declaration has `weights`, else ``none``. A factory raises ConfigError for a text that it does not know.

    Attributes:
        weights: ``"module:attribute"`` of ``(*, input_shape, weights, **options) -> Download | None``, the file of the
            pretrained weights, or None for the weights ``none``. Empty for a backbone without pretrained weights.
        control: whether this backbone is a control, which must NOT do well. Controls run once in every run.
        space: ``"module:attribute"`` of ``(*, input_shape, **options) -> Space``, called in a worker: parameters that the
            search sets and the factory receives as options. Features are extracted for each setting that is tried.
        seen: the public collections of chest X-rays that the pretrained weights learnt from. Users say it of their own weights
            with ``name:seen=nih+chexpert``.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"input_shape", "seed"})
    KEPT: ClassVar[frozenset[str]] = frozenset({"weights", "seen"})

    weights: str = ""
    control: bool = False
    space: str = ""
    seen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation(Spec):
    """Random transforms of training images: ``factory(*, input_shape, seed, **options) -> callable``.

    Attributes:
        views: number of augmented views of each image. Users can change it with ``name:views=8``; 0 means no augmentation.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"input_shape", "seed"})
    KEPT: ClassVar[frozenset[str]] = frozenset({"views"})

    views: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift(Spec):
    """A radiographic change of test images: ``factory(*, input_shape, strength, seed, **options) -> callable``.

    Strength 0 changes nothing, and a larger strength changes images more.

    Attributes:
        unit: of the strength, such as ``degrees``.
        strengths: mild, moderate and strong, ascending; each is something that a hospital could produce.
        role: whether a search may select on this shift (``development``), or only the board shows it (``test``).
        covered_by: augmentations that change training images alike.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"input_shape", "strength", "seed"})

    unit: str
    strengths: tuple[float, float, float]
    role: Literal["development", "test"] = "test"
    covered_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance(Spec):
    """A strategy against class imbalance: ``factory(fold, *, seed, **options) -> Balance``.

    Attributes:
        needs_features: whether the factory needs ``fold.features``; if not, it is None.
        space: parameters that the search sets and the factory receives as options.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"fold", "seed"})

    needs_features: bool = False
    space: Space = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Spec):
    """A search engine, which proposes trials: ``factory(*, space, trials, seed, **options) -> Proposer``.

    `trials` is how many trials each study has in total. A study of an engine that names it is searched anew with another number
    of trials, because its proposals may depend on it; a study of any other engine goes on.
    """

    FILLED: ClassVar[frozenset[str]] = frozenset({"space", "seed"})
    ADDED: ClassVar[frozenset[str]] = frozenset({"trials"})
