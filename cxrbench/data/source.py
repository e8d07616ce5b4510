"""Resolve `--data NAME|PATH` to a dataset and get its records from the plugin."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from cxrbench.config.component import Component, parse_component, require_length
from cxrbench.config.options import signature_of
from cxrbench.config.part import Part, bind, check_options
from cxrbench.data.pseudonyms import user_secret, with_pseudonyms
from cxrbench.errors import ConfigError, CxrbenchError, DataError, PluginError, UnknownName
from cxrbench.plugin.contracts import ClassNames, Images, LicenceClass
from cxrbench.plugin.references import Reference
from cxrbench.plugin.specs import Dataset
from cxrbench.storage.safe_text import as_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.plugin.contracts import Download
    from cxrbench.plugin.host import Declaration, Host

WITH_OPTIONS = re.compile(r"[A-Za-z0-9_-]{2,}:[A-Za-z_]\w*=")
"""The beginning of a component with options; a drive of Windows has one letter."""


def find_dataset(text: str, host: Host, classes: Mapping[str, str] | None = None) -> Part[Dataset]:
    """Return the dataset that a name, a component string or a path stands for.

    Args:
        text: the name, component string or path.
        host: the plugins.
        classes: from ``--positive`` and ``--negative``, options that the dataset gets.

    Raises:
        ConfigError: the name or an option is unknown, the path does not exist, or the classes cannot be chosen.
        DataError: no dataset recognises the path.
    """
    path = Path(text).expanduser()
    _explain_spelling(text, host)
    part = _dataset_at(path, host) if _looks_like_path(text, host) else _dataset_named(text, host)
    check_options(part)
    return _with_classes(part, classes, host) if classes else part


def read_images(part: Part[Dataset], fetch: Callable[[Download], Path]) -> Images:
    """Return the images as `named_images` does; keys and patients of credentialed ones are pseudonyms."""
    images = named_images(part, fetch)
    return with_pseudonyms(images, user_secret()) if images.licence_class == "credentialed" else images


def named_images(part: Part[Dataset], fetch: Callable[[Download], Path]) -> Images:
    """Call the dataset's factory; without a source, `fetch` the dataset's download first, if it has one.

    For what stays on this machine: all else takes `read_images`.

    Raises:
        PluginError: the factory failed or did not return Images.
    """
    source = part.option("source", "")
    if not source and part.spec.download:
        download: Download = part.resolve(part.spec.download)(**part.arguments)
        source = str(fetch(download))
    try:
        images = part.build(str(source) or None)
    except CxrbenchError:
        raise
    except Exception as error:
        raise PluginError(f"dataset {part.component} failed: {type(error).__name__}: {error}") from error
    if not isinstance(images, Images):
        raise PluginError(f"dataset {part.component}: its factory returned {type(images).__name__}, not Images")
    if not isinstance(images.class_names, ClassNames):
        raise PluginError(f"dataset {part.component}: class_names is {images.class_names!r}, expected ClassNames(...)")
    if images.licence_class not in get_args(LicenceClass):
        expected = ", ".join(get_args(LicenceClass))
        raise PluginError(f"dataset {part.component}: licence_class is {images.licence_class!r}, expected one of {expected}")
    if isinstance(images.leaks, str):
        raise PluginError(f"dataset {part.component}: leaks is the text {images.leaks!r}, expected a tuple of texts")
    names = ClassNames(negative=as_line(images.class_names.negative), positive=as_line(images.class_names.positive))
    warnings, leaks = (tuple(map(as_line, lines)) for lines in (images.warnings, images.leaks))
    return replace(images, name=as_line(images.name), warnings=warnings, leaks=leaks, class_names=names)


def _with_classes(part: Part[Dataset], classes: Mapping[str, str], host: Host) -> Part[Dataset]:
    """Return the dataset with classes chosen; raise ConfigError if it has no such options, or has other values for them."""
    known, given = signature_of(part.factory()), dict(part.component.options)
    for option, text in classes.items():
        if option not in known.parameters and not known.takes_any:
            raise ConfigError(
                f"--{option} {text}: {part.spec.name} has no option {option}: its classes are not chosen by name. Leave "
                f"--{option} out{_other_readers(part, host)}. What it has: cxrbench plugins show {part.spec.name}"
            )
        if option in given and str(given[option]) != text:
            raise ConfigError(f"--{option} {text}: the dataset says {option}={given[option]}. Keep one of the two")
    chosen = part.at(classes)
    require_length(str(chosen.component.without("source")))
    return chosen


def _other_readers(part: Part[Dataset], host: Host) -> str:
    """Return, in words, the other datasets that may read the same source."""
    source = Path(str(part.option("source", ""))).expanduser()
    may_read = (one.spec for one in host.declarations(Dataset) if _says_yes(one, one.spec.may_claim, source))
    return "".join(f", or write --data {spec.name}:source={source}" for spec in may_read if spec.name != part.spec.name)


def _looks_like_path(text: str, host: Host) -> bool:
    if text.partition(":")[0] in _names(host) or (WITH_OPTIONS.match(text) and not _exists(Path(text))):
        return False
    return "/" in text or "\\" in text or text.startswith((".", "~")) or _exists(Path(text))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or with a zero byte
        return False


def _names(host: Host) -> set[str]:
    return {declaration.spec.name for declaration in host.declarations(Dataset)}


def _explain_spelling(text: str, host: Host) -> None:
    """Raise ConfigError for a path with options, a dataset with a bare path, and an unquoted path with a comma."""
    name, colon, rest = text.partition(":")
    place = Path(rest.partition("source=")[2]).expanduser()
    if name in _names(host):
        if "," in place.as_posix() and _exists(place):
            quoted = f"--data '{name}:source=\"{place}\"'"
            raise ConfigError(f"--data {text}: the path contains a comma. Put it in double quotes: {quoted}")
        if colon and "=" not in rest:
            raise ConfigError(f"--data {text}: options are written as key=value: --data {name}:source={rest}")
        return
    path, colon, options = text.rpartition(":")
    if colon and "=" in options and not _exists(Path(text).expanduser()) and _exists(Path(path).expanduser()):
        claiming = [one.spec.name for one in _claiming(Path(path).expanduser(), host)]
        spelling = f"{(claiming or ['NAME'])[0]}:source={path},{options}"
        raise ConfigError(f"--data {text}: a path has no options. Name the dataset: --data {spelling}")


def _dataset_named(text: str, host: Host) -> Part[Dataset]:
    component = parse_component(text)
    try:
        return bind(component, host.find(Dataset, component.name))
    except UnknownName as error:
        if component.options:
            raise UnknownName(f"--data {text}: {error}") from None
        raise UnknownName(f"--data {text}: no such file or folder, and {error}") from None


def _dataset_at(path: Path, host: Host) -> Part[Dataset]:
    if not _exists(path):
        raise ConfigError(f"--data {path}: no such file or folder")
    claiming = _claiming(path, host)
    if not claiming:
        known = "; ".join(f"{each.spec.name}: {each.spec.layout}" for each in host.declarations(Dataset) if each.spec.layout)
        raise DataError(f"--data {path}: no dataset recognises this. Known layouts: {known}")
    if len(claiming) > 1:
        names = " or ".join(f"--data {each.spec.name}:source={path}" for each in claiming)
        raise ConfigError(f"--data {path}: more than one dataset recognises this. Choose one: {names}")
    return bind(Component(name=claiming[0].spec.name, options=(("source", str(path)),)), claiming[0])


def _claiming(path: Path, host: Host) -> list[Declaration[Dataset]]:
    """Return the datasets that recognise a path, or else those that may read it."""
    declarations = host.declarations(Dataset)
    sure = [one for one in declarations if _says_yes(one, one.spec.claims, path)]
    return sure or [one for one in declarations if _says_yes(one, one.spec.may_claim, path)]


def _says_yes(declaration: Declaration[Dataset], function: str, path: Path) -> bool:
    """Return what a function of a dataset's plugin says of a path; False if there is none or if it fails."""
    if not function:
        return False
    try:
        return bool(Reference(text=function, file=declaration.plugin.file).resolve()(path))
    except Exception:
        return False
