"""Which backbones take part, with and without their weights."""

from __future__ import annotations

import csv
import json
import random
import shutil

SMALL = ("--data", "phantom:images=420,size=64", "--image-size", 64, "--trials", 1, "--epochs", 1, "--workers", 0)
PLAIN = ("--augmentation", "none", "--imbalance", "none", "--no-controls")


def recipes(result):
    return [row for row in json.loads(result.stdout) if row["kind"] == "recipe"]


def test_a_named_backbone_without_weights_is_a_row_with_a_remedy_and_the_run_goes_on(here):
    result = here("run", *SMALL, *PLAIN, "--backbone", "vgg16", "--backbone", "random-convnet", "--offline", "--json")
    assert result.returncode == 1
    rows = {row["backbone"]: row for row in recipes(result)}
    assert rows["random-convnet"]["status"] == "complete"
    assert rows["vgg16"]["status"] == "unavailable"
    assert rows["vgg16"]["rank"] is None
    assert rows["vgg16"]["auc"] is None
    assert "https://storage.googleapis.com" in rows["vgg16"]["reason"]


def test_the_default_grid_leaves_out_what_has_no_weights_here_and_says_how_to_get_them(here):
    result = here("run", *SMALL, *PLAIN, "--offline", "--json")
    assert result.returncode == 0, result.stderr
    assert {row["backbone"] for row in recipes(result)} == {"texture", "random-convnet"}
    (line,) = [line for line in result.stderr.splitlines() if "--download" in line]
    assert all(name in line for name in ("resnet50", "densenet121", "inceptionv3", "vgg16", "efficientnetb0", "mobilenet"))


def test_nothing_finished_is_exit_code_4(here):
    assert here("run", *SMALL, *PLAIN, "--backbone", "vgg16", "--offline").returncode == 4


def test_backbones_run_without_weights_when_asked(here):
    result = here("run", *SMALL, *PLAIN, "--backbone", "mobilenet:alpha=0.25,weights=none", "--offline", "--json")
    assert result.returncode == 0, result.stderr
    assert recipes(result)[0]["backbone"] == "mobilenet:alpha=0.25,weights=none"


def test_200_real_films_with_real_weights(place, shared_folder):
    shutil.copytree(shared_folder / "keras_home", place.folder / "keras")
    train = shared_folder / "data" / "chest_xray" / "train"
    normal = sorted((train / "NORMAL").iterdir())[:80]
    pneumonia = sorted((train / "PNEUMONIA").iterdir())[::30][:120]
    films = [*normal, *pneumonia]
    random.Random(0).shuffle(films)
    parts = ["train"] * 60 + ["val"] * 100 + ["test"] * 40
    with (place.folder / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "patient", "split"])
        writer.writerows([film, film.parent.name.lower(), film.stem, part] for film, part in zip(films, parts, strict=True))
    result = place.call(
        *("run", "--data", "films.csv", "--backbone", "mobilenet:alpha=0.25", *PLAIN, "--imbalance", "class-weights"),
        *("--trials", 5, "--workers", 2, "--offline", "--json"),
    )
    assert result.returncode == 0, result.stderr
    rows = recipes(result)
    assert len(rows) == 2
    assert all(row["protocol"].startswith("films-official-") for row in rows)
    assert all(row["auc"] > 0.9 for row in rows)
