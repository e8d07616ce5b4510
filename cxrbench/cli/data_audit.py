"""`cxrbench data audit`: find what makes results on images unreliable."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from cxrbench.cli.data_inspector import DatasetArgument, open_inspector, print_split, print_warnings
from cxrbench.cli.options import AsJson

if TYPE_CHECKING:
    from cxrbench.cli.data_inspector import Inspection
    from cxrbench.data.dataset import LoadedDataset


def audit_dataset(
    context: typer.Context,
    source: DatasetArgument,
    allow_leak: Annotated[bool, typer.Option("--allow-leak", help="Exit with 0 even if there are leaks")] = False,
    other: Annotated[
        list[str] | None, typer.Option(metavar="NAME|PATH", help="Dataset that must not share images; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find leaks, images under both labels, odd files and attributes that predict the label.

    Exits with 3 if a patient or an image is on both sides of the split, an image is also in another dataset, or an image is
    under both labels.
    """
    from cxrbench.cli import console
    from cxrbench.data.audit.audit import refuse_leaks

    with open_inspector(context.obj, data=source) as inspector:
        inspection = inspector.inspect_images(inspector.find(), other or ())
    if as_json:
        print_warnings(inspection)
        console.print_json(inspection.checked_audit().model_dump(mode="json"))
    else:
        _print_audit(inspection)
    if not allow_leak:
        refuse_leaks(inspection.dataset.name, inspection.checked_audit())


def _print_audit(inspection: Inspection) -> None:
    from cxrbench.cli import console

    console.print_facts({**inspection.facts(), "groups": len(set(inspection.dataset.groups.tolist()))})
    print_split(inspection)
    _print_label_rates(inspection.dataset)
    print_warnings(inspection)
    result = inspection.checked_audit()
    if result.findings:
        rows = [
            (each.severity, each.check, str(each.count), "\n".join((each.message, *each.examples))) for each in result.findings
        ]
        console.print_table(("severity", "check", "count", "finding"), rows)
    divided = sum(each.count for each in result.findings if each.check == "shared-patients")
    are_known = any(record.patient != record.key for record in inspection.dataset.records)
    shared = f"{divided:,}" if divided else "none" if are_known else "unknown: the data name no patients"
    console.print_facts({"images of patients on both sides": shared, "verdict": result.verdict})


def _print_label_rates(dataset: LoadedDataset) -> None:
    from cxrbench.cli import console
    from cxrbench.data.audit.label_rates import label_rates

    rates = label_rates(dataset.records)
    levels = Counter(rate.attribute for rate in rates)
    rows = [
        (rate.attribute, rate.level, str(rate.images), f"{rate.positives / rate.images:.0%}")
        for rate in rates
        if levels[rate.attribute] > 1
    ]
    if rows:
        console.print_table(("attribute", "level", "images", dataset.class_names.positive), rows)
