"""Refuse images that allow no fair comparison before weights are fetched and features extracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.data.audit.audit import audit, declared_leaks, refuse_leaks
from cxrbench.data.audit.findings import Audit
from cxrbench.data.dataset import listed_dataset, load_dataset
from cxrbench.data.split import split_dataset
from cxrbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxrbench.config.protocol import Protocol
    from cxrbench.config.settings import Settings
    from cxrbench.data.catalogue import Catalogues
    from cxrbench.data.dataset import Catalogue, LoadedDataset


def refuse_unsuitable(
    catalogues: Catalogues, protocol: Protocol, settings: Settings, decode: Callable[[Catalogue], None] | None
) -> None:
    """Raise now what the audit would raise once all images are decoded, as far as the listed images tell.

    The list does not tell which files cannot be decoded and which hold the same pixels, and both change the split. So if it
    does not pass the audit, the images are decoded, and the decoded images decide. What the dataset declares needs no decoding.

    Args:
        catalogues: of the dataset and the external test sets.
        protocol: says how the images are split.
        settings: say what is permitted.
        decode: decodes the images of a catalogue; None where nothing may be written, so that the list decides.

    Raises:
        ConfigError: the images cannot be split in this way.
        DataError: they do not allow a fair comparison, or a file cannot be read under ``--strict-data``.
    """
    for name, catalogue in catalogues.external.items() if settings.strict_data else ():
        _refuse_missing(name, catalogue)
    listed = listed_dataset(catalogues.main)
    if not settings.allow_leak:
        refuse_leaks(listed.name, Audit(findings=tuple(declared_leaks(listed, protocol.split))))
    try:
        _check(listed, protocol, settings)
    except DataError:
        if decode is None:
            raise
        decode(catalogues.main)
        _check(load_dataset(catalogues.main), protocol, settings)


def _check(dataset: LoadedDataset, protocol: Protocol, settings: Settings) -> None:
    splits = split_dataset(dataset, protocol.split, protocol.seed, protocol.folds)
    audit(dataset, splits, split_name=protocol.split, allow_leak=settings.allow_leak, strict=settings.strict_data)


def _refuse_missing(name: str, catalogue: Catalogue) -> None:
    if missing := listed_dataset(catalogue).skipped:
        key, reason = missing[0]
        total = len(catalogue.images.records)
        raise DataError(
            f"--strict-data: {len(missing):,} of {total:,} files of {name} could not be read, such as {key}: {reason}"
        )
