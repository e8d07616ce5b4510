"""The model of a row gives the scores that the run stored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cxrbench.benchmark.model.choice import HeadChoice
from cxrbench.benchmark.model.kept import load_kept
from cxrbench.data.decoding.image_bytes import digest_of
from cxrbench.data.source import find_dataset, read_images
from cxrbench.errors import CxrbenchError
from cxrbench.evaluation.metrics import metrics
from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds, of_subset
from cxrbench.evaluation.threshold import choose_threshold

CONVNET, THUMBNAIL = "random-convnet+none+none", "control-thumbnail+none+none"


@pytest.fixture(scope="session")
def images(host):
    return read_images(find_dataset("phantom:images=640,size=32", host), fetch=None)


@pytest.fixture(scope="session")
def entry_of(kept_run):
    return lambda recipe: kept_run.protocol_folder() / "entries" / f"{recipe}.json"


@pytest.fixture(scope="session")
def table_of(kept_run):
    folder = kept_run.protocol_folder()
    return lambda recipe: read_predictions(folder / kept_run.entries()[recipe]["predictions"])


@pytest.fixture(scope="session")
def rescored(images):
    """Return a function that has a model score the images of stored predictions again."""

    def score(model, stored):
        pixels = np.stack([model.classifier.read(images.read(key))[0] for key in stored.keys])
        return model.classifier.scores(pixels)

    return score


@pytest.mark.parametrize("recipe", [CONVNET, THUMBNAIL])
def test_the_mean_of_the_seeds_scores_as_stored(recipe, entry_of, table_of, surroundings, rescored):
    for subset in ("validation", "test"):
        for fold, stored in means_of_seeds(table_of(recipe), subset).items():
            model = load_kept(entry_of(recipe), HeadChoice(fold=fold), surroundings)
            assert rescored(model, stored) == pytest.approx(stored.scores, abs=1e-6)


def test_a_single_head_scores_as_stored(entry_of, table_of, surroundings, rescored, kept_run):
    model = load_kept(entry_of(CONVNET), HeadChoice(fold=1, seed=1), surroundings)
    stored, head = of_subset(table_of(CONVNET), "test")[1, 1], kept_run.entries()[CONVNET]["folds"][1]["heads"][1]
    assert rescored(model, stored) == pytest.approx(stored.scores, abs=1e-6)
    assert model.classifier.threshold == model.record.threshold == head["threshold"]
    assert model.record.metrics == pytest.approx(head["metrics"])
    assert model.record.heads.models == (head["model"],)


def test_the_mean_has_a_threshold_and_metrics_of_its_own(entry_of, table_of, surroundings, kept_run):
    model, table = load_kept(entry_of(CONVNET), HeadChoice(fold=1), surroundings), table_of(CONVNET)
    validation, test = (means_of_seeds(table, subset)[1] for subset in ("validation", "test"))
    threshold = choose_threshold("max-f1", validation.labels, validation.scores)
    assert model.record.threshold == threshold
    assert model.record.metrics == pytest.approx(metrics(test.labels, test.scores, threshold, prevalence=0.1))
    stored = kept_run.entries()[CONVNET]["folds"][1]["mean"]
    assert stored["threshold"] == threshold
    assert stored["metrics"] == pytest.approx(model.record.metrics)
    assert model.record.entry_metrics == kept_run.entries()[CONVNET]["metrics"]


def test_the_mean_of_the_seeds_is_that_of_their_logits(table_of):
    heads, means = of_subset(table_of(THUMBNAIL), "test"), means_of_seeds(table_of(THUMBNAIL), "test")
    logits = [np.log(head.scores / (1 - head.scores)) for head in (heads[0, 0], heads[0, 1])]
    assert means[0].scores == pytest.approx(1 / (1 + np.exp(-np.mean(logits, axis=0))), abs=1e-6)


def test_all_folds_have_learnt_from_every_image(entry_of, table_of, surroundings, images, rescored):
    model = load_kept(entry_of(CONVNET), HeadChoice(fold=None), surroundings)
    assert (model.record.heads.folds, model.record.heads.seeds) == ((0, 1), (0, 1))
    assert model.record.metrics == {}
    assert set(model.learnt.values()) == {"train"}
    pooled = means_of_seeds(table_of(CONVNET), "validation").values()
    labels, scores = (np.concatenate([getattr(one, name) for one in pooled]) for name in ("labels", "scores"))
    assert model.record.threshold == choose_threshold("max-f1", labels, scores)
    folds = [load_kept(entry_of(CONVNET), HeadChoice(fold=fold), surroundings) for fold in (0, 1)]
    pixels = np.stack([model.classifier.read(images.read(record.key))[0] for record in images.records[:5]])
    expected = np.mean([one.classifier.logits(pixels) for one in folds], axis=0)
    assert model.classifier.logits(pixels) == pytest.approx(expected, abs=1e-4)


def test_a_model_knows_the_part_of_every_image(entry_of, table_of, surroundings, images):
    model, table = load_kept(entry_of(THUMBNAIL), HeadChoice(), surroundings), table_of(THUMBNAIL)
    parts = {record.key: model.learnt[digest_of(images.read(record.key))] for record in images.records}
    for subset in ("validation", "test"):
        assert {key for key, part in parts.items() if part == subset} == set(means_of_seeds(table, subset)[0].keys)
    of_pixels = {
        record.key: model.learnt[model.classifier.read(images.read(record.key))[1].pixels] for record in images.records
    }
    assert of_pixels == parts
    counts = model.record.images
    assert sum(counts[part].negative + counts[part].positive for part in counts) == 640


@pytest.mark.parametrize(
    ("choice", "reason"),
    [(HeadChoice(fold=2), "has 2 folds, counted from 0"), (HeadChoice(seed=2), "has 2 seeds, counted from 0")],
)
def test_a_fold_or_seed_that_does_not_exist_is_refused(entry_of, surroundings, choice, reason):
    with pytest.raises(CxrbenchError, match=reason):
        load_kept(entry_of(CONVNET), choice, surroundings)


def test_a_row_without_a_model_is_refused(entry_of, surroundings):
    with pytest.raises(CxrbenchError, match="gives every image the same score"):
        load_kept(entry_of("majority-class"), HeadChoice(), surroundings)


def test_a_model_that_was_changed_or_removed_is_refused(copy_of_kept_run, surroundings):
    folder = copy_of_kept_run.protocol_folder()
    path, entry = folder / "models" / THUMBNAIL / "head" / "fold-0-seed-1.safetensors", folder / "entries" / f"{THUMBNAIL}.json"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CxrbenchError, match="its SHA-256 is not that of its entry"):
        load_kept(entry, HeadChoice(), surroundings)
    path.unlink()
    with pytest.raises(CxrbenchError, match=r"its model was not kept: .* Run the recipe again with --fresh"):
        load_kept(entry, HeadChoice(), surroundings)
    load_kept(entry, HeadChoice(fold=1), surroundings)


def test_other_pretrained_weights_are_refused(copy_of_kept_run, surroundings):
    entry = copy_of_kept_run.protocol_folder() / "entries" / f"{THUMBNAIL}.json"
    stored = json.loads(entry.read_text())
    stored["components"]["backbone"]["weights"] = "a" * 64
    entry.write_text(json.dumps(stored))
    with pytest.raises(CxrbenchError, match="are other ones here: SHA-256 of no file, not aaaaaaaaaaaaaaaa"):
        load_kept(entry, HeadChoice(), surroundings)


def test_code_of_another_version_is_a_warning(copy_of_kept_run, surroundings):
    entry = copy_of_kept_run.protocol_folder() / "entries" / f"{THUMBNAIL}.json"
    stored = json.loads(entry.read_text())
    stored["components"]["backbone"] |= {"source": "b" * 64, "version": "0.0.9"}
    entry.write_text(json.dumps(stored))
    (warning,) = load_kept(entry, HeadChoice(), surroundings).warnings
    assert "is not that of the run (version 0.0.9, here" in warning
