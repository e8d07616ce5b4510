"""The model card: what it says of any record, also of one by another person."""

from __future__ import annotations

import re

import pytest
import yaml
from markdown_it import MarkdownIt

from cxrbench.config.protocol import Protocol
from cxrbench.data.audit.findings import Audit, Finding
from cxrbench.leaderboard.card.card import SECTIONS, model_card
from cxrbench.leaderboard.card.checklists import CLAIM, NOT_DONE, TRIPOD_AI
from cxrbench.leaderboard.card.snippet import snippet
from cxrbench.leaderboard.store.entry import ClassLabels, ComponentFacts, DatasetFacts
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.group_result import GroupResult
from cxrbench.leaderboard.store.model_record import (
    ChosenHeads,
    InputFormat,
    ModelRecord,
    NetworkDataFormat,
    OutputFormat,
    PartDescription,
)

HOSTILE = "<script>alert(1)</script> | a [link](http://evil.example) ![x](y) ``` \n# heading"
METRICS = {"accuracy": 0.91, "recall": 0.92, "precision": 0.93, "f1": 0.94, "specificity": 0.95, "auc": 0.96}
INTERVALS = {name: (value - 0.05, value + 0.01) for name, value in METRICS.items()}


def record_with(**changes):
    """Return a record of a model with these fields."""
    protocol = {"dataset": "ward", "fingerprint": "ab" * 32, "split": "grouped", "engine": "optuna", "threshold": "max-f1"}
    settings = {"image_size": 64, "resize": "stretch", "seed": 0, "trials": 5, "metric": "auc", "epochs": 3, "batch_size": 64}
    part = PartDescription(negative=10, positive=20, patients=25, levels={})
    fields = {
        "recipe": "small+none+none",
        "stage": "head",
        "control": False,
        "format": "keras",
        "class_names": ClassLabels(),
        "threshold": 0.25,
        "threshold_rule": "max-f1 on the scores of the 30 validation images",
        "network_data_format": NetworkDataFormat(
            inputs={"image": InputFormat(spatial_shape=(64, 64), channel_def={"0": "grey"}, resize="stretch")},
            outputs={"score": OutputFormat(channel_def={"0": "PNEUMONIA"})},
        ),
        "heads": ChosenHeads(folds=(0,), seeds=(0, 1), selections=("a", "b"), models=("c", "d")),
        "params": ({"learning_rate": 0.01},),
        "metrics": METRICS,
        "intervals": INTERVALS,
        "confusion": None,
        "validation": METRICS,
        "entry_metrics": METRICS,
        "entry_intervals": INTERVALS,
        "controls": {},
        "external": {},
        "study": "ef",
        "protocol": Protocol(**protocol, **settings, patience=3),
        "data": "folder",
        "backbone": "small",
        "augmentation": "none",
        "imbalance": "none",
        "components": {"backbone": ComponentFacts(package="small-package", version="1.2")},
        "dataset": DatasetFacts(name="ward", fingerprint="ab" * 32, negative=30, positive=60, patients=75, skipped=0, folds=()),
        "audit": Audit(),
        "images": {"train": part, "validation": part, "test": part},
        "warnings": (),
        "versions": {"keras": "3.15.1"},
        "exported_with": {"keras": "3.15.1"},
        "files": {"model.keras": "12" * 32},
        "digest": "",
    }
    return ModelRecord(**fields | changes)


def body(card):
    """Return a card without its front matter."""
    return card.split("\n---\n", 1)[1]


def front(card):
    return yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))


def test_the_front_matter_is_what_hugging_face_reads():
    found = front(model_card(record_with()))
    assert (found["library_name"], found["pipeline_tag"], found["license"]) == ("keras", "image-classification", "other")
    (result,) = found["model-index"][0]["results"]
    values = {one["type"]: one["value"] for one in result["metrics"]}
    assert values == {"accuracy": 0.91, "recall": 0.92, "precision": 0.93, "f1": 0.94, "roc_auc": 0.96}
    assert result["dataset"]["name"] == "ward, split grouped, test images"


def test_every_section_has_a_heading_and_tables_are_tables():
    tokens = MarkdownIt("commonmark").enable("table").parse(body(model_card(record_with())))
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[1:] == [*list(SECTIONS)[:6], "Controls", "External test sets", *list(SECTIONS)[6:]]
    assert sum(token.type == "table_open" for token in tokens) == 10
    assert [token.content for token in tokens if token.type == "inline" and token.content.startswith("|")] == []


def test_research_only_comes_first_and_warnings_follow():
    leak = Finding(check="shared-patients", severity="leak", count=3, message="3 patients are in train and test")
    facts = record_with(audit=Audit(findings=(leak,)), warnings=("does not beat control-border",), control=True)
    quoted = [line for line in model_card(facts).splitlines() if line.startswith("> ")]
    assert "For research only" in quoted[0]
    assert "is a control: a backbone that must not do well" in quoted[1]
    assert quoted[2] == "> DATA LEAK: 3 patients are in train and test"
    assert quoted[3] == "> does not beat control-border"
    assert len(quoted) == 4


def test_foreign_text_is_shown_and_does_nothing():
    classes = ClassLabels(negative=HOSTILE, positive='"""\nimport os')
    component = ComponentFacts(package=HOSTILE, version="1")
    audit = Audit(findings=(Finding(check="x", severity="warning", count=1, message=HOSTILE),))
    changes = {"class_names": classes, "components": {"backbone": component}, "audit": audit, "warnings": (HOSTILE,)}
    card = model_card(record_with(**changes, threshold_rule=HOSTILE, data="folder"))
    plain, hostile = (MarkdownIt("commonmark").enable("table").parse(body(one)) for one in (model_card(record_with()), card))
    for kind in ("html_block", "html_inline", "image", "link_open"):
        inline = [child for token in hostile for child in token.children or ()]
        assert [token for token in (*hostile, *inline) if token.type == kind] == []
    for kind in ("table_open", "heading_open", "fence", "tr_open"):
        counts = [sum(token.type == kind for token in tokens) for tokens in (plain, hostile)]
        assert counts[0] == counts[1]
    assert front(card)["license"] == "other"


def test_the_snippet_is_python_with_any_class_names():
    names = ClassLabels(negative="it's", positive='say "x" \\')
    compiled = compile(snippet(record_with(class_names=names)), "score.py", "exec")
    assert {"it's", 'say "x" \\'} <= {
        value for constant in compiled.co_consts if isinstance(constant, tuple) for value in constant
    } | set(compiled.co_consts)


@pytest.mark.parametrize("resize", ["stretch", "pad"])
def test_the_snippet_reads_files_as_the_harness_does(resize, tmp_path):
    import numpy as np
    from PIL import Image

    from cxrbench.data.decoding.decode import decode

    facts = record_with()
    reading = snippet(facts.model_copy(update={"protocol": facts.protocol.model_copy(update={"resize": resize})}))
    module: dict[str, object] = {}
    exec(reading.split("\nmodel = ")[0].replace("import keras\n", ""), module)
    generator = np.random.default_rng(2)
    smooth = np.asarray(Image.fromarray(generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)).resize((700, 410)))
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "grey.png": (smooth[..., 0], {}),
        "small.png": (smooth[:50, :40, 0], {}),
        "exact.png": (smooth[:64, :64, 0], {}),
        "colour.png": (smooth, {}),
        "grey.jpg": (smooth[..., 1], {"quality": 90}),
        "colour.jpg": (smooth, {"quality": 90}),
        "turned.jpg": (smooth[..., 2], {"quality": 90, "exif": turned}),
    }
    for name, (pixels, options) in files.items():
        Image.fromarray(pixels).save(tmp_path / name, **options)
        expected = decode(tmp_path / name, size=64, resize=resize)
        np.testing.assert_array_equal(np.asarray(module["read"](tmp_path / name)), expected, err_msg=name)
    for name, image in {
        "deep.png": Image.fromarray(smooth[..., 0].astype(np.uint16)),
        "alpha.png": Image.new("LA", (9, 9)),
    }.items():
        image.save(tmp_path / name)
        with pytest.raises(SystemExit, match="not grey or RGB of 8 bits"):
            module["read"](tmp_path / name)


def test_the_checklists_name_sections_that_exist():
    special = {"external", "levels", "confusion", "warnings", NOT_DONE, ""}
    assert {section for _, _, section in (*CLAIM, *TRIPOD_AI)} - special <= set(SECTIONS)
    assert [number for number, _, _ in CLAIM] == [str(number) for number in range(1, 45)]
    assert len(TRIPOD_AI) == 52
    assert {re.match(r"\d+", number)[0] for number, _, _ in TRIPOD_AI} == {str(number) for number in range(1, 28)}


def test_external_results_and_levels_are_shown_where_there_are_some():
    plain = model_card(record_with())
    assert "None were scored." in plain
    assert "View, age, sex, site and source of the images are not known to cxrbench: fill in." in plain
    facts = {
        "name": "other",
        "dataset": "elsewhere",
        "fingerprint": "ab",
        "negative": 7,
        "positive": 8,
        "recipe": "small+none+none",
    }
    external = ExternalResult(**facts, selections=("a", "b"), metrics={"auc": 0.71}, intervals={"auc": (0.6, 0.8)})
    part = PartDescription(negative=10, positive=20, patients=25, levels={"sex": {"F": (4, 9), "M": (6, 11)}})
    card = model_card(record_with(external={"other": external}, images={"train": part}))
    assert "| other | elsewhere | 7 + 8 | 0.7100 (0.6000 to 0.8000) | - | - | - | - | - |" in card
    assert "| train | sex | M | 6 | 11 |" in card
    assert "| 33 | external testing | see Evaluation |" in card


def test_groups_are_shown_where_there_are_some():
    assert "### Groups" not in model_card(record_with())
    assert "groups" not in record_with().model_dump()
    measured = GroupResult(
        column="sex", group="F", negative=40, positive=30, metrics={"auc": 0.75}, intervals={"auc": (0.5, 1)}
    )
    small = GroupResult(column="age", group="0-4", negative=4, positive=3, folds=0)
    card = model_card(record_with(groups=(measured, small)))
    assert "| sex=F | 40 + 30 | 0.7500 (0.5000 to 1.0000) | - |" in card
    assert "| age=0-4 | 4 + 3 | - | - |" in card
    assert "the lowest of many groups is low by chance, too" in card


def test_a_model_of_a_plugin_names_the_package_to_install():
    card = model_card(record_with(format="plugin", files={"head.safetensors": "12" * 32}))
    assert "The backbone needs cxrbench and the package small-package 1.2 (pip install small-package==1.2):" in card
    assert "keras.saving" not in card
    assert "library_name" not in front(card)


def test_the_card_says_what_of_a_network_was_trained_and_how():
    three = ChosenHeads(folds=(0, 1, 2), seeds=(0,), selections=("a",) * 3, models=("c",) * 3)
    changes = {"heads": three, "params": ({},) * 3, "metrics": {}, "budget": {"trials": 4, "epochs": 6}}
    card = model_card(record_with(stage="fine-tuned", **changes))
    assert "Backbone small and a head, all of it trained on images from its pretrained weights and the head" in card
    assert "the mean of the logits of 3 networks (folds 0, 1, 2; seed 0)" in card
    assert "a scrambled Sobol sequence, 4 trials in each study" in card
    assert "at most 6; the best epoch by validation loss counts" in card
    assert "frozen" not in card.replace("after the selection was frozen", "")
    assert "The networks of all folds are averaged" in card
    upper = model_card(record_with(stage="fine-tuned", learns_from="auto", **changes))
    assert "small, the upper half of it trained from its pretrained weights" in upper
    scratch = model_card(record_with(stage="from-scratch", budget={"trials": 2, "epochs": 30}))
    assert "all of it trained on images from random weights: the mean of the logits of 2 networks" in scratch


def test_the_card_says_which_group_the_model_has_never_seen():
    groups = {"split": "left-out:by=site", "folds": 2, "left_out": ("Basel", "<b>Bern")}
    protocol = Protocol(**record_with().protocol.model_dump() | groups)
    heads = ChosenHeads(folds=(1,), seeds=(0,), selections=("a",), models=("c",))
    text = model_card(record_with(protocol=protocol, heads=heads, entry_intervals={}))
    assert "It has seen no image of site &lt;b>Bern, and none of a patient who has an image there." in text
    assert "A mean over groups has no interval." in text
    both = {"heads": heads.model_copy(update={"folds": (0, 1)}), "params": ({}, {}), "metrics": {}}
    of_all = model_card(record_with(protocol=protocol, **both))
    assert "Each of its heads has left out another group of site: Basel, &lt;b>Bern." in of_all
