"""The options of a component as its factory takes them: one spelling for one meaning, files by their bytes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from cxrbench.config.component import Component, written
from cxrbench.config.given import annotation_of, named_parameters, takes_any_option
from cxrbench.config.local_files import LABEL, LocalFile, existing_file, find_file, is_path
from cxrbench.plugin.specs import Augmentation, Backbone, Dataset, Imbalance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.plugin.specs import Spec, Value

PRETRAINED, UNTRAINED = "imagenet", "none"
"""Values of the option `weights` that are never files."""
RECIPE = (Backbone, Augmentation, Imbalance)
ANY_TEXT = "\0"
"""A text that only an option takes that takes any text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A keyword parameter of a factory.

    Attributes:
        adapter: checks a value against the annotation; None if there is no annotation that can be checked.
        default: its default, or `inspect.Parameter.empty`.
    """

    adapter: TypeAdapter[Any] | None
    default: Any

    @property
    def takes_any_text(self) -> bool:
        """Whether any text is a valid value, so that the text may be a path."""
        return self.takes_text(ANY_TEXT)

    def takes_text(self, text: str) -> bool:
        """Return whether a text is a valid value."""
        try:
            return self.adapter is None or self.adapter.validate_python(text, strict=True) is not None
        except ValidationError:
            return False

    def checked(self, value: Value) -> Value:
        """Return a value as the factory's annotation has it, such as 1.0 for 1; raise ValidationError for a wrong type."""
        found = self.adapter.validate_python(value, strict=True) if self.adapter else value
        return found if isinstance(found, bool | int | float | str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The options that a factory takes.

    Attributes:
        parameters: by name.
        takes_any: whether it takes any other option, too.
    """

    parameters: Mapping[str, Parameter]
    takes_any: bool


UNKNOWN_SIGNATURE = Signature(parameters={}, takes_any=True)
"""Of a factory that cannot be imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a component, in three spellings.

    Attributes:
        shown: as rows show them: files by name and short digest.
        canonical: as identities count them: files by their digest.
        files: the file of each option that names one, those of defaults and of fixed arguments included.
        unnamed: the files of defaults and of fixed arguments, as identities count them.
    """

    shown: Component
    canonical: Component
    files: Mapping[str, LocalFile] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()


def signature_of(factory: Callable[..., Any]) -> Signature:
    """Return the named parameters of a factory."""
    return Signature(
        parameters={
            name: Parameter(adapter=_adapter(annotation_of(parameter, factory)), default=parameter.default)
            for name, parameter in named_parameters(factory).items()
        },
        takes_any=takes_any_option(factory),
    )


def read_options(component: Component, spec: Spec, signature: Signature) -> Options:
    """Return the options of a component.

    A file is found. In a part of a recipe, an option at its default is dropped and a number gets the type of the annotation:
    the recipe is then the same however its user wrote it. An engine stays as it is written, because protocols contain its text.

    Args:
        component: as the user wrote it.
        spec: the declaration.
        signature: of the factory.

    Raises:
        ConfigError: a file does not exist or cannot be read.
    """
    parameters = signature.parameters
    defaults = _defaults(spec, parameters)
    unnamed = {name: file for name, value in {**defaults, **spec.fixed}.items() if (file := _file_of_default(name, value))}
    shown: dict[str, Value] = {}
    files: dict[str, LocalFile] = {}
    for name, value in component.options:
        if file := _file_of(f"{component.name}: {name}", name, value, spec, signature):
            if name in unnamed and name not in spec.fixed and unnamed[name].digest == file.digest:
                continue
            files[name], shown[name] = file, file.label
        elif not isinstance(spec, RECIPE):
            shown[name] = value
        elif not _is_same(plain := _in_type(value, parameters.get(name)), defaults.get(name, inspect.Parameter.empty)):
            shown[name] = plain
    canonical = {**shown, **{name: file.canonical for name, file in files.items()}}
    others = {name: file for name, file in unnamed.items() if name not in files}
    return Options(
        shown=Component(name=component.name).with_options(shown),
        canonical=Component(name=component.name).with_options(canonical),
        files={**others, **files},
        unnamed=tuple(f"{name}={file.canonical}" for name, file in sorted(others.items())),
    )


def problem_of(parameter: Parameter, name: str, value: Value) -> str:
    """Return why a value has the wrong type for a parameter, or an empty string."""
    try:
        parameter.checked(value)
    except ValidationError as error:
        quotes = f'. To give it as text, write {name}="{written(value)}"' if parameter.takes_text(written(value)) else ""
        return f"option {name}={written(value)} {error.errors()[0]['msg'].removeprefix('Input ')}{quotes}"
    return ""


def default_weights(spec: Backbone) -> str:
    """Return the default of the option `weights`: `imagenet` for a backbone with pretrained weights, otherwise `none`."""
    return PRETRAINED if spec.weights else UNTRAINED


def _defaults(spec: Spec, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the defaults of the options that users may set; a searched parameter that the user sets is not searched."""
    others = spec.FILLED | set(spec.fixed) | set(spec.space if isinstance(spec, Imbalance) else ())
    defaults = {name: _in_type(one.default, one) for name, one in parameters.items() if name not in others}
    if isinstance(spec, Backbone):
        return {**({} if spec.space else defaults), "weights": default_weights(spec)}
    return {**defaults, "views": spec.views} if isinstance(spec, Augmentation) else defaults


def _file_of(label: str, name: str, value: Value, spec: Spec, signature: Signature) -> LocalFile | None:
    """Return the file that an option names; None for one that has other values, is unknown, or is counted elsewhere."""
    is_word = name in {"source", "seen"} or (name == "weights" and value in {PRETRAINED, UNTRAINED})
    if not isinstance(value, str) or is_word:
        return None
    if isinstance(spec, Dataset) and not (is_path(value) or LABEL.fullmatch(value)):
        return None  # the name of a class folder, which users often run in; images count by their own bytes
    parameter = signature.parameters.get(name)
    may_be_file = parameter.takes_any_text if parameter else signature.takes_any
    is_file = may_be_file or name in spec.KEPT
    return find_file(label, value, of_dataset=isinstance(spec, Dataset)) if is_file else None


def _file_of_default(name: str, value: Any) -> LocalFile | None:
    """Return the file that a default or a fixed argument names; never a folder, which may be one to write to."""
    text = str(value) if isinstance(value, str | Path) else ""
    return existing_file(name, text) if is_path(text) and Path(text).expanduser().is_file() else None


def _in_type(value: Any, parameter: Parameter | None) -> Any:
    try:
        return parameter.checked(value) if parameter else value
    except ValidationError:  # the check of options says so
        return value


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    """Return what checks values of a type, or None for an annotation that cannot be checked."""
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return None
    try:
        return TypeAdapter(annotation)
    except (NameError, TypeError, PydanticUserError):  # its type is unknown to pydantic
        return None


def _is_same(value: Value, default: Any) -> bool:
    return type(value) is type(default) and value == default
