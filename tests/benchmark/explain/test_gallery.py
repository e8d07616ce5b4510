"""`cxrbench explain ROW --gallery`: which test images the page shows, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import html5lib
import pytest

from cxrbench.evaluation.prediction_table import read_predictions
from cxrbench.evaluation.predictions import means_of_seeds

THUMBNAIL = "control-thumbnail+none+none"
"""Its backbone is no network, so that it is explained fast."""
DATA = "phantom:images=640,size=32"


@pytest.fixture(scope="module")
def gallery(kept_run):
    """Write the page; return it, the JSON on standard output and the process."""
    done = kept_run.call_here("explain", THUMBNAIL, "--gallery", "--json")
    assert done.returncode == 0, done.stderr
    return kept_run.protocol_folder() / "images.html", json.loads(done.stdout), done


def test_the_surest_test_images_are_shown(kept_run, gallery):
    _, content, _ = gallery
    entry, folder = kept_run.entries()[THUMBNAIL], kept_run.protocol_folder()
    means = means_of_seeds(read_predictions(folder / entry["predictions"]), "test")
    scored = [
        (sure, key, "positive" if sure else "negative", bool(label), fold, score)
        for fold, one in means.items()
        for key, label, score in zip(one.keys, one.labels, one.scores, strict=True)
        for sure in [score >= entry["folds"][fold]["mean"]["threshold"]]
    ]
    for outcome in ("true positive", "true negative", "false positive", "false negative"):
        right, call = outcome.split()
        mine = [one for one in scored if one[2] == call and (one[0] == one[3]) == (right == "true")]
        surest = sorted(mine, key=lambda one: (-one[5] if one[0] else one[5], one[1]))[:6]
        shown = [image for image in content["images"] if image["outcome"] == outcome]
        assert [(image["key"], image["fold"]) for image in shown] == [(one[1], one[4]) for one in surest]
        assert [image["score"] for image in shown] == pytest.approx([one[5] for one in surest], abs=1e-5)
        assert content["counts"][outcome] == len(mine)
    assert len({image["fold"] for image in content["images"]}) == 2


def test_the_page_is_valid_and_says_how_far_to_trust_it(gallery):
    page, content, done = gallery
    text = page.read_text(encoding="utf-8")
    html5lib.HTMLParser(strict=True).parse(text)
    assert text.count("<img ") == 2 * len(content["images"])
    for sentence in content["trust"]["sentences"]:
        assert sentence in done.stderr
        assert sentence in text
    assert Counter(image["outcome"] for image in content["images"])["true positive"] == 6
    assert content["licence_class"] == "open"


def test_written_again_it_is_the_same_and_the_board_links_to_it(kept_run, gallery):
    page, content, _ = gallery
    written = page.read_bytes()
    again = kept_run.call_here("explain", THUMBNAIL, "--gallery", "--data", DATA, "--json")
    assert json.loads(again.stdout) == content
    assert page.read_bytes() == written
    assert 'href="images.html"' in page.with_name("index.html").read_text(encoding="utf-8")


def test_one_head_of_each_fold_can_be_asked_for(kept_run, gallery, tmp_path, make_workspace):
    shutil.copytree(kept_run.folder / "leaderboard", tmp_path / "leaderboard")
    done = make_workspace(tmp_path).call_here("explain", THUMBNAIL, "--gallery", "--seed", 1, "--json")
    assert done.returncode == 0, done.stderr
    thresholds = {fold["heads"][1]["threshold"] for fold in kept_run.entries()[THUMBNAIL]["folds"]}
    assert {image["threshold"] for image in json.loads(done.stdout)["images"]} == thresholds
    assert "Seeds: not measured" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["scans", "--gallery"], "--gallery chooses the images itself"),
        (["--gallery", "--to", "maps"], "leave --to out"),
        (["--gallery", "--fold", "1"], "leave --fold and --all-folds out"),
        (["--gallery", "--all-folds"], "leave --fold and --all-folds out"),
        (["--gallery", "--method", "exact"], "Use --method occlusion"),
        (["--gallery", "--data", f"{DATA},seed=4"], "phantom-synthetic has not the images of this row"),
        (["--gallery", "--data", "nowhere"], "nowhere"),
        (["scans", "--to", "maps", "--data", "phantom"], "--data is for --gallery alone"),
        (["scans", "--to", "maps", "--i-may-show-images"], "--i-may-show-images is for --gallery alone"),
        (["--to", "maps"], "missing: PATH"),
        (["scans"], "missing: --to DIR"),
    ],
)
def test_what_has_no_meaning_is_refused(kept_run, options, words):
    done = kept_run.call_here("explain", THUMBNAIL, *options)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.fixture
def closed_run(kept_run, tmp_path, make_workspace):
    """Return a copy of the run whose entry says that its images are credentialed."""
    shutil.copytree(kept_run.folder / "leaderboard", tmp_path / "leaderboard")
    workspace = make_workspace(tmp_path)
    (workspace.protocol_folder() / "images.html").unlink(missing_ok=True)
    (path,) = workspace.protocol_folder().glob("entries/control-thumbnail*.json")
    entry = json.loads(path.read_text())
    entry["dataset"]["licence_class"] = "credentialed"
    path.write_text(json.dumps(entry))
    return workspace


def test_credentialed_images_are_shown_only_if_the_user_may(closed_run):
    page = closed_run.protocol_folder() / "images.html"
    refused = closed_run.call_here("explain", THUMBNAIL, "--gallery")
    assert refused.returncode == 2
    assert "only people who were admitted one by one may see them" in refused.stderr
    assert not page.exists()
    done = closed_run.call_here("explain", THUMBNAIL, "--gallery", "--i-may-show-images", "--json")
    assert done.returncode == 0, done.stderr
    text, keys = page.read_text(encoding="utf-8"), [image["key"] for image in json.loads(done.stdout)["images"]]
    assert "Do not pass this page on." in text
    assert not [key for key in keys if key in text]
