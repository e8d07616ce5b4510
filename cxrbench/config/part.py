"""Components bound to their declarations: everything that their behaviour depends on, and how to build them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic

from cxrbench.config.component import require_length
from cxrbench.config.given import arguments_to_give, filled_arguments
from cxrbench.config.identity import canonical_text
from cxrbench.config.options import UNKNOWN_SIGNATURE, Signature, problem_of, read_options, signature_of
from cxrbench.errors import ConfigError, missing_requirement, unknown_name
from cxrbench.plugin.host import Spec_co
from cxrbench.plugin.references import Reference, module_name_of
from cxrbench.storage.versions import DISTRIBUTION, name_of, own_version, versions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cxrbench.config.component import Component
    from cxrbench.config.local_files import LocalFile
    from cxrbench.plugin.host import Declaration
    from cxrbench.plugin.specs import Spec, Value


FIRST_PARTY_VERSION = "0.1.0"
"""Counts as the version of first-party plugins in identities, so that no release of cxrbench orphans features and results.

The SHA-256 of a plugin's source is part of its identity, too, and tells when it changes.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a component comes from.

    Attributes:
        package: the distribution that contains its plugin, or the name of a one-file plugin.
        version: of the package; empty for a one-file plugin.
        source: SHA-256 of its source; empty if there is none.
    """

    package: str
    version: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Generic[Spec_co]):
    """A component bound to its declaration: picklable, so that any process can build it. Equal parts behave alike.

    Attributes:
        component: as rows show it: files by their name and short digest.
        canonical: as identities count it: files by their bytes.
        declared: everything else that its behaviour depends on: declaration, plugin version, source of its package, and files
            that its defaults name.
        files: the file of each option that names one.
        file: the one-file plugin that declares it.
    """

    component: Component = field(compare=False)
    canonical: Component
    declared: str
    spec: Spec_co = field(compare=False)
    origin: Origin = field(compare=False)
    files: Mapping[str, LocalFile] = field(default_factory=dict, compare=False)
    file: Path | None = field(default=None, compare=False)

    @property
    def identity(self) -> str:
        """Everything that its behaviour depends on."""
        return f"{self.canonical}|{self.declared}"

    def option(self, name: str, default: Value) -> Value:
        """Return the value of an option, the path of a file, or the default."""
        options = dict(self.component.options)
        return self._given(name, options[name]) if name in options else default

    @property
    def arguments(self) -> dict[str, Value]:
        """The arguments that the declaration fixes and the user sets, without the options that only the harness uses."""
        options = self.component.options
        chosen = {name: self._given(name, value) for name, value in options if name not in self.spec.KEPT}
        return {**self.spec.fixed, **chosen}

    def at(self, setting: Mapping[str, Value]) -> Part[Spec_co]:
        """Return this part with more options set."""
        component, canonical = (one.with_options(setting) for one in (self.component, self.canonical))
        files = {name: file for name, file in self.files.items() if name not in setting}
        return replace(self, component=component, canonical=canonical, files=files)

    def build(self, *positional: Any, **given: Any) -> Any:
        """Call the factory with its own arguments and those of the harness that its signature names.

        Raises:
            ConfigError: a file that an option names has changed since the run began.
        """
        for name, file in self.files.items():
            if not file.is_unchanged():
                raise ConfigError(f"{self.component}: {name}: {file.path.name} was changed during the run. Run it again")
        factory, chosen = self.factory(), dict(self.component.options)
        return factory(*positional, **{**self.arguments, **arguments_to_give(self.spec, factory, given, chosen)})

    def factory(self) -> Callable[..., Any]:
        """Import the factory; raise MissingRequirement if a package it needs is not installed."""
        if missing := [requirement for requirement in self.spec.requires if not versions_of(name_of(requirement))]:
            raise missing_requirement(str(self.component), missing)
        factory: Callable[..., Any] = self.resolve(self.spec.factory)
        return factory

    def resolve(self, text: str) -> Any:
        """Import what an import string of the declaration names."""
        return Reference(text=text, file=self.file).resolve()

    def _given(self, name: str, value: Value) -> Value:
        return self.files[name].given if name in self.files else value


def bind(component: Component, declaration: Declaration[Spec_co]) -> Part[Spec_co]:
    """Bind a component to its declaration.

    Raises:
        ConfigError: an option names a file that does not exist or cannot be read.
    """
    plugin, spec = declaration.plugin, declaration.spec
    reference = Reference(text=spec.factory, file=plugin.file)
    options = read_options(component, spec, _signature(reference))
    require_length(str(options.shown))
    pointed = [Reference(text=str(value)) for name, value in component.options if name in spec.points_to]
    source = "".join(one.source_digest() for one in (reference, *pointed))
    declared = canonical_text(replace(spec, summary=""))
    if plugin.file:  # the module name depends on the path, which does not change the behaviour
        declared = declared.replace(module_name_of(plugin.file), plugin.file.stem)
    package = plugin.file.name if plugin.file else plugin.distribution
    is_first_party = plugin.distribution == DISTRIBUTION
    counted = FIRST_PARTY_VERSION if is_first_party else plugin.version
    return Part(
        component=options.shown,
        canonical=options.canonical,
        declared="|".join((declared, counted, source, *options.unnamed)),
        spec=spec,
        origin=Origin(package=package, version=own_version() if is_first_party else plugin.version, source=source[:64]),
        files=options.files,
        file=plugin.file,
    )


def check_options(part: Part[Spec]) -> None:
    """Check the options against the signature of the factory.

    Raises:
        UnknownName: neither the factory nor the harness has the option.
        ConfigError: a value has the wrong type.
    """
    factory, kept = part.factory(), part.spec.KEPT
    hidden = filled_arguments(part.spec, factory) | set(part.spec.fixed)
    signature = signature_of(factory)
    known = {name: parameter for name, parameter in signature.parameters.items() if name not in hidden}
    for name, value in part.component.options:
        if name in known and (problem := problem_of(known[name], name, value)):
            raise ConfigError(f"{part.component}: {problem}")
        if name not in known and name not in kept and not (signature.takes_any and name not in hidden):
            raise unknown_name(f"option of {part.component.name}", name, known.keys() | kept)


def _signature(reference: Reference) -> Signature:
    """Return the signature of a factory, unless it cannot be imported, which is reported when a run needs it."""
    try:
        return signature_of(reference.resolve())
    except (Exception, SystemExit):
        return UNKNOWN_SIGNATURE
