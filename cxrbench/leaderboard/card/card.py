"""Put the card together: ``README.md`` of an exported folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.leaderboard.card.checklists import checklists
from cxrbench.leaderboard.card.data import data_section
from cxrbench.leaderboard.card.facts import facts_section, uses_section, warnings_of
from cxrbench.leaderboard.card.front_matter import front_matter
from cxrbench.leaderboard.card.markdown import quotations
from cxrbench.leaderboard.card.results import evaluation_section, threshold_section
from cxrbench.leaderboard.card.snippet import start_section
from cxrbench.leaderboard.card.technical import files_section, licence_section, technical_section, training_section
from cxrbench.storage.safe_text import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxrbench.leaderboard.store.model_record import ModelRecord

SECTIONS: Mapping[str, Callable[[ModelRecord], list[str]]] = {
    "Model facts": facts_section,
    "How to get started": start_section,
    "Uses": uses_section,
    "Data": data_section,
    "Training": training_section,
    "Evaluation": evaluation_section,
    "Threshold": threshold_section,
    "Files and self-test": files_section,
    "Technical details": technical_section,
    "Licence": licence_section,
    "Reporting checklists": checklists,
}
"""In the order of the card; headings that `checklists` refers to."""


def model_card(record: ModelRecord) -> str:
    """Return the model card of an exported model as Markdown with the front matter of Hugging Face."""
    names = record.class_names
    lines = [
        *front_matter(record),
        f"# {escape_markdown(record.name)}: {escape_markdown(names.positive)} or {escape_markdown(names.negative)}",
        "",
        "> **For research only.** This model is not a medical device. Nobody has approved it for diagnosis or treatment.",
        "",
        *quotations(warnings_of(record)),
    ]
    for heading, section in SECTIONS.items():
        lines += [f"## {heading}", "", *section(record)]
    return "\n".join(lines).rstrip("\n") + "\n"
