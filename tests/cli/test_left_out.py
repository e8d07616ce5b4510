"""A run that leaves out one hospital after the other: every number of a group follows from its stored scores."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

SITES = {"Basel": 276, "Bern": 274, "Chur": 18, "": 12}
FIRST_OF_TWO = ("Basel", "Bern")
RUN = (
    *("run", "--data", "images.csv", "--image-size", 32, "--split", "left-out:by=Hospital", "--trials", 1, "--epochs", 1),
    *("--backbone", "control-intensity", "--no-controls", "--augmentation", "none", "--imbalance", "none"),
    *("--workers", 0, "--offline"),
)


@pytest.fixture(scope="module")
def hospitals(make_workspace, tmp_path_factory):
    """Write images of several hospitals; one patient has images in two of them."""
    folder, generator, rows = tmp_path_factory.mktemp("hospitals"), np.random.default_rng(0), []
    for number, site in enumerate(name for name, count in SITES.items() for _ in range(count)):
        label = number % 2
        grey = generator.normal(100 + 20 * label, 15)
        pixels = generator.normal(grey, 25, (36, 36)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        patient = "travels" if number in {3, 300, 301} else f"p{number}"
        rows.append({"path": f"{number}.png", "label": label, "patient": patient, "hospital": site})
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return make_workspace(folder)


@pytest.fixture(scope="module")
def result(hospitals, long, tensorflow_ready):
    """Run one recipe once; in the long form also on shifted images."""
    result = hospitals.call_here(*RUN, "--json", CXRBENCH_ROBUSTNESS="standard" if long else "none")
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def row(result):
    return next(row for row in json.loads(result.stdout) if row["kind"] == "recipe")


@pytest.fixture(scope="module")
def entry(hospitals, result):
    return hospitals.entries()["control-intensity+none+none"]


def numbers(rows):
    return [int(row["key"].partition(".")[0]) for row in rows]


def site_of(number):
    return next(site for site, end in zip(SITES, np.cumsum(list(SITES.values())), strict=True) if number < end)


def test_each_hospital_is_tested_by_heads_that_saw_none_of_it(hospitals, entry):
    stored = hospitals.rows(entry["predictions"])
    assert [fold["group"] for fold in entry["folds"]] == list(FIRST_OF_TWO)
    for fold, site in enumerate(FIRST_OF_TWO):
        tested, validated = (
            numbers(row for row in stored if (row["set"], row["fold"]) == (name, str(fold))) for name in ("test", "validation")
        )
        assert {site_of(number) for number in tested} == {site}
        assert len(tested) == SITES[site]
        assert site not in {site_of(number) for number in validated}
        counts = entry["dataset"]["folds"][fold]
        others = sum(SITES.values()) - SITES[site] - {"Basel": 2, "Bern": 1}[site]  # the images of the patient who travels
        assert sum(count for name, count in counts.items() if not name.startswith("test")) == others


def test_the_row_has_each_group_and_a_mean_without_interval(hospitals, entry, row, long):
    stored = [one for one in hospitals.rows(entry["predictions"]) if one["set"] == "test"]
    values = []
    for fold, site in enumerate(FIRST_OF_TWO):
        mine = [one for one in stored if one["fold"] == str(fold)]
        values.append(roc_auc_score([int(one["label"]) for one in mine], [float(one["score"]) for one in mine]))
        np.testing.assert_allclose(row[f"group_{site}_auc"], values[-1])
        assert 0 <= row[f"group_{site}_auc_low"] <= values[-1] <= row[f"group_{site}_auc_high"] <= 1
    np.testing.assert_allclose(row["auc"], np.mean(values))
    assert (row["auc_low"], row["f1_high"]) == (None, None)
    if long:
        assert row["auc_shifted_low"] is None
        assert 0 < row["auc_shifted"] <= 1
    assert row["folds"] == 2


def test_what_is_not_tested_is_named(result, row):
    warnings = " ".join(row["warnings"])
    assert "hospital Chur is not tested: it has 9 NORMAL and 9 PNEUMONIA images, and a test needs 10 of each class" in warnings
    assert "images without a known hospital, which are never tested and only train and validate: 12" in warnings
    for site, count in (("Basel", 2), ("Bern", 1)):
        assert f"where hospital {site} is tested, because their patients also have images in it: {count}" in warnings


def test_show_has_a_table_of_the_groups(hospitals, result):
    shown = hospitals.call_here("show", "control-intensity+none+none").stdout
    assert "each group of hospital, left out and tested by itself" in shown
    assert all(f"leaves out hospital {site}" in shown for site in FIRST_OF_TWO)


def test_the_same_command_finds_the_result_again(hospitals, result, entry):
    again = hospitals.call_here(*RUN)
    assert again.returncode == 0, again.stderr
    assert hospitals.entries()["control-intensity+none+none"] == entry


@pytest.mark.long
def test_reproduce_repeats_the_entry(hospitals, result):
    path = hospitals.protocol_folder() / "entries" / "control-intensity+none+none.json"
    again = hospitals.call_here("reproduce", path, "--data", "images.csv", "--workers", 0)
    assert again.returncode == 0, again.stderr
    assert "reproduced exactly" in again.stdout + again.stderr


def test_data_inspect_shows_the_parts_of_each_group(hospitals, result):
    shown = hospitals.call_here("data", "inspect", "images.csv", "--image-size", 32, "--split", "left-out:by=hospital")
    assert shown.returncode == 0, shown.stderr
    assert re.search(rf"Basel: test +{SITES['Basel']} ", shown.stdout)
    assert "hospital Chur is not tested" in shown.stderr


def test_a_split_without_a_column_names_the_columns(hospitals):
    asked = hospitals.call_here("data", "inspect", "images.csv", "--split", "left-out")
    assert asked.returncode == 2
    assert "as in --split left-out:by=hospital. Columns of images: hospital (3 groups)" in asked.stderr
