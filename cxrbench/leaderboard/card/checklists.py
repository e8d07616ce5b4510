"""Where the card answers the items of two reporting guidelines, and what only the authors can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.card.markdown import paragraph, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxrbench.leaderboard.store.model_record import ModelRecord

    Item = tuple[str, str, str]
    """Number, topic in our words, and the section that answers it; empty if no section does."""

UNKNOWN = "not known to cxrbench: fill in"
NOT_DONE = "not done"
# Tejani et al., Radiology: Artificial Intelligence 6(4):e240300 (2024). Numbers and topics are from memory and from a summary
# by others; they were not compared with the printed table, and the wording is ours.
CLAIM: tuple[Item, ...] = (
    ("1", "title says that it is AI, and of which kind", "Model facts"),
    ("2", "abstract", ""),
    ("3", "background and intended role", "Uses"),
    ("4", "aims and hypotheses", ""),
    ("5", "prospective or retrospective", ""),
    ("6", "goal of the study", "Uses"),
    ("7", "data sources", "Data"),
    ("8", "inclusion and exclusion", ""),
    ("9", "preprocessing", "Model facts"),
    ("10", "selection of subsets", "Data"),
    ("11", "de-identification", ""),
    ("12", "missing data", "Data"),
    ("13", "image acquisition", ""),
    ("14", "definition of the reference standard", ""),
    ("15", "rationale of the reference standard", ""),
    ("16", "source of annotations", ""),
    ("17", "annotation of the test set", ""),
    ("18", "variability of annotators", ""),
    ("19", "assignment to partitions", "Data"),
    ("20", "level at which partitions are disjoint", "Data"),
    ("21", "sample size", ""),
    ("22", "description of the model", "Model facts"),
    ("23", "software and versions", "Technical details"),
    ("24", "initialisation of parameters", "Training"),
    ("25", "training", "Training"),
    ("26", "selection of the final model", "Training"),
    ("27", "ensembles", "Model facts"),
    ("28", "metrics", "Evaluation"),
    ("29", "uncertainty", "Evaluation"),
    ("30", "robustness", "Evaluation"),
    ("31", "explainability", ""),
    ("32", "internal testing", "Evaluation"),
    ("33", "external testing", "external"),
    ("34", "trial registration", ""),
    ("35", "numbers included and excluded", "Data"),
    ("36", "demographics in each partition", "levels"),
    ("37", "performance", "Evaluation"),
    ("38", "diagnostic accuracy and its precision", "Evaluation"),
    ("39", "failure analysis", "confusion"),
    ("40", "limitations", "warnings"),
    ("41", "implications for practice", "Uses"),
    ("42", "full protocol", "Technical details"),
    ("43", "availability of software, model and data", "Files and self-test"),
    ("44", "funding", ""),
)
# Collins et al., BMJ 385:e078378 (2024), CC BY 4.0. Numbers and topics as in the published checklist; some topics shortened.
TRIPOD_AI: tuple[Item, ...] = (
    ("1", "title", "Model facts"),
    ("2", "abstract", ""),
    ("3a", "healthcare context", ""),
    ("3b", "target population, purpose, users", "Uses"),
    ("3c", "known health inequalities", ""),
    ("4", "objectives", ""),
    ("5a", "sources of data", "Data"),
    ("5b", "dates", ""),
    ("6a", "setting and centres", ""),
    ("6b", "eligibility", ""),
    ("6c", "treatments", ""),
    ("7", "data preparation", "Data"),
    ("8a", "outcome", ""),
    ("8b", "assessors of the outcome", ""),
    ("8c", "blinding of the outcome", ""),
    ("9a", "choice of predictors", "Model facts"),
    ("9b", "definition of predictors", "Model facts"),
    ("9c", "assessors of predictors", ""),
    ("10", "sample size", ""),
    ("11", "missing data", "Data"),
    ("12a", "use of the data, partitions", "Data"),
    ("12b", "handling of predictors", "Model facts"),
    ("12c", "type of model, building, tuning, internal validation", "Training"),
    ("12d", "heterogeneity across clusters", ""),
    ("12e", "measures of performance", "Evaluation"),
    ("12f", "model updating", NOT_DONE),
    ("12g", "how predictions are calculated", "How to get started"),
    ("13", "class imbalance", "Training"),
    ("14", "fairness", ""),
    ("15", "output and threshold", "Threshold"),
    ("16", "differences between training and evaluation data", "Data"),
    ("17", "ethical approval", ""),
    ("18a", "funding", ""),
    ("18b", "conflicts of interest", ""),
    ("18c", "protocol", "Technical details"),
    ("18d", "registration", ""),
    ("18e", "data sharing", "Licence"),
    ("18f", "code sharing", "Technical details"),
    ("19", "patient and public involvement", ""),
    ("20a", "flow of participants", "Data"),
    ("20b", "characteristics of participants", "levels"),
    ("20c", "comparison of evaluation and development data", "levels"),
    ("21", "participants and events in each analysis", "Data"),
    ("22", "full specification of the model", "Files and self-test"),
    ("23a", "performance with intervals", "Evaluation"),
    ("23b", "performance across clusters", "external"),
    ("24", "results of model updating", NOT_DONE),
    ("25", "interpretation", ""),
    ("26", "limitations", "warnings"),
    ("27a", "poor or missing input data", "How to get started"),
    ("27b", "interaction and expertise of users", ""),
    ("27c", "next steps of research", ""),
)


def checklists(record: ModelRecord) -> list[str]:
    """Return both checklists: where this card answers each item."""
    text = (
        "Where this card answers the items of CLAIM 2024 (Checklist for Artificial Intelligence in Medical Imaging) and of "
        "TRIPOD+AI 2024. Topics are shortened: fill in the official checklists for anything that you publish."
    )
    return [
        *paragraph(text),
        *table(("CLAIM 2024", "topic", "where"), _answered(CLAIM, record)),
        *table(("TRIPOD+AI", "topic", "where"), _answered(TRIPOD_AI, record)),
    ]


def _answered(items: tuple[Item, ...], record: ModelRecord) -> Iterator[Item]:
    for number, topic, section in items:
        yield number, topic, _where(section, record)


def _where(section: str, record: ModelRecord) -> str:
    """Return where an item is answered; some depend on what is known of this model."""
    known = {
        "external": "see Evaluation" if record.external else "see Evaluation: none was scored",
        "levels": "see Data" if any(part.levels for part in record.images.values()) else UNKNOWN,
        "confusion": f"see Evaluation (confusion matrix); examples: {UNKNOWN}" if record.confusion else UNKNOWN,
        "warnings": f"see the warnings at the top; the rest: {UNKNOWN}",
        NOT_DONE: NOT_DONE,
        "": UNKNOWN,
    }
    return known.get(section, f"see {section}")
