"""What a reader must know on one page: warnings, model facts, and what the model is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.recipe import unit_of
from cxrbench.evaluation.metrics import METRICS
from cxrbench.leaderboard.card.markdown import bullets, estimate, paragraph, table
from cxrbench.leaderboard.card.stage import mechanism

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord

NO_TEST_IMAGES = (
    "The {unit}s of all folds are averaged, and together they learnt from every image. No image is left to test this model "
    "with: the numbers of the row below are those of its {unit}s, each on the images of its own test fold."
)


def warnings_of(record: ModelRecord) -> list[str]:
    """Return what must be read with any number of the model, the most important first."""
    control = [f"{record.name} is a control: a backbone that must not do well. It is not a model to use."] * record.control
    leaks = [f"DATA LEAK: {finding.message}" for finding in record.audit.leaks]
    others = [text for text in record.audit.warnings if text not in {one.message for one in record.audit.leaks}]
    notice = [record.protocol.notice] if record.protocol.notice else []
    untested = [] if record.metrics else [NO_TEST_IMAGES.format(unit=unit_of(record.stage))]
    return list(dict.fromkeys([*control, *leaks, *notice, *untested, *record.warnings, *others]))


def facts_section(record: ModelRecord) -> list[str]:
    """Return the box of model facts, in the order of Sendak et al., npj Digital Medicine 3:41 (2020)."""
    return table(("Model facts", ""), _facts(record))


def _facts(record: ModelRecord) -> Iterator[tuple[str, str]]:
    names, size = record.class_names, record.protocol.image_size
    yield "Summary", f"Gives a chest X-ray a score from 0 to 1 for {names.positive}; the other class is {names.negative}"
    yield "Input", f"One image in grey or RGB, {size} x {size} pixels, 0 to 255 ({record.protocol.resize})"
    yield "Output", f"A score. At {record.threshold!r} or above the call is {names.positive}"
    yield "Mechanism", mechanism(record)
    yield "Learnt from", _learnt_from(record)
    yield "Tested on", _tested_on(record)
    for name in (one for one in METRICS if one in record.metrics):
        yield f"{name}, test images", estimate(record.metrics[name], record.intervals.get(name))
    yield "External test sets", ", ".join(record.external) or "none: how it does elsewhere is not known"
    yield "Use", "Research on classifiers of chest X-rays. See Uses"
    yield "Do not use", "For diagnosis, triage or treatment, or on images unlike those of Data"
    yield "Warnings", f"{len(warnings_of(record))} at the top of this card"


def _learnt_from(record: ModelRecord) -> str:
    train = record.images["train"]
    names = record.class_names
    return (
        f"{train.negative:,} {names.negative} and {train.positive:,} {names.positive} images of {train.patients:,} patients "
        f"({record.dataset.name})"
    )


def _tested_on(record: ModelRecord) -> str:
    test = record.images.get("test")
    if test is None:
        return "no image: it learnt from all of them"
    names = record.class_names
    return f"{test.negative:,} {names.negative} and {test.positive:,} {names.positive} images of {test.patients:,} patients"


def uses_section(record: ModelRecord) -> list[str]:
    """Return what the model is for and what it is not for."""
    names = record.class_names
    intended = (
        f"Comparing classifiers that tell {names.positive} from {names.negative}",
        "Scoring further test sets, to learn how far results carry over",
        "Studying what such a model looks at",
    )
    out_of_scope = (
        "Decisions about patients: diagnosis, triage, treatment, or reassurance",
        f"Findings other than {names.positive}: an image with another disease gets a score as well",
        "Images of other body parts, views, ages or scanners than those in Data",
        "Predictive values: they depend on how common the class is where the model is used",
    )
    unknown = "Who the intended users are, and where in a care pathway, is not known to cxrbench: fill in."
    return [
        "Intended use:",
        "",
        *bullets(intended),
        "It is not for:",
        "",
        *bullets(out_of_scope),
        *paragraph(unknown),
    ]
