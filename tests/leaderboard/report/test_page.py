"""The page of a board: every number is the entry's, and it is one file that asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cxrbench.leaderboard.board import Board, read_boards
from cxrbench.leaderboard.publish import publish, write_pages
from cxrbench.leaderboard.report.page import board_as_html
from cxrbench.leaderboard.report.row_details import packed
from cxrbench.leaderboard.store.external_result import ExternalResult
from cxrbench.leaderboard.store.folder import ProtocolFolder

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    '" onmouseover="alert(1)',
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "w" * 900,
    "\u202egnp.exe\u2066",
    "\x1b[2J\x00",
    "]]><!--",
)


def words_of(element):
    return " ".join(" ".join(element.itertext()).split())


@pytest.fixture(scope="module")
def page(whole_board, page_of):
    return page_of(whole_board)


def cells(row):
    return {one.get("data-key"): one for one in row if one.get("data-key")}


def board_rows(page):
    return [row for row in page.one("table", id="board").iter() if row.get("data-backbone")]


def area_of(path):
    """Return the area below a path, in the units of a figure of 10,000 by 10,000."""
    start, _, moves = path.partition("l")
    points = [tuple(map(int, start[1:].split()))]
    numbers = [int(one) for one in re.findall(r"-?\d+", moves)]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        points.append((points[-1][0] + dx, points[-1][1] + dy))
    x, y = (np.array(one) / 10_000 for one in zip(*points, strict=True))
    return float(np.sum(np.diff(x) * (2 - y[1:] - y[:-1])) / 2), len(points)


def lines_of(page, figure):
    paths = page.one("figure", id=figure).iter(f"{SVG}path")
    return {int(one.get("data-row")): one.get("d") for one in paths if one.get("class", "").startswith("line")}


def test_equal_boards_give_equal_bytes(whole_board, page):
    assert board_as_html(replace(whole_board)) == page.text


def test_every_number_of_the_table_is_that_of_the_entry(whole_board, page):
    rows = {row["backbone"]: row for row in whole_board.rows()}
    shown = board_rows(page)
    assert [row.get("data-backbone") for row in shown] == ["texture", "vgg16", "mobilenet", "control-border"]
    for line in shown:
        row = rows[line.get("data-backbone")]
        for key in ("accuracy", "recall", "precision", "f1", "auc"):
            cell = cells(line)[key]
            assert float(cell.get("data-value")) == row.entry.metrics[key]
            low, high = row.entry.intervals[key]
            assert words_of(cell) == f"{row.entry.metrics[key]:.3f} {low:.3f}\N{EN DASH}{high:.3f}"
        assert words_of(cells(line)["rank"]).split()[0].strip("=") == str(row.rank)


def test_controls_stand_apart_from_the_recipes(page):
    first, second = [one for one in page.one("table", id="board") if one.tag.endswith("tbody")]
    assert "Controls, which see no detail of a lung" in words_of(second)
    assert [row.get("data-backbone") for row in second if row.get("data-backbone")] == ["control-border"]
    assert "control" not in words_of(first)


@pytest.mark.parametrize(("folds", "seeds"), [(1, 1), (3, 2)])
def test_drawn_areas_are_the_metrics_shown(compete, board_of, page_of, folds, seeds):
    protocol = compete().entry.protocol.model_copy(update={"folds": folds, "seeds": seeds})
    board = board_of(*(compete(name, 1.5, protocol=protocol) for name in ("texture", "vgg16")))
    page = page_of(board)
    for figure, metric in (("roc", "auc"), ("precision-recall", "pr-auc")):
        found = {number: area_of(path) for number, path in lines_of(page, figure).items()}
        assert len(found) == 2
        for number, (area, vertices) in found.items():
            assert area == pytest.approx(board.rows()[number - 1].entry.metrics[metric], abs=1e-4)
            assert vertices <= 400


def test_slider_counts_are_those_of_scikit_learn(whole_board, page):
    for number, row in enumerate(whole_board.rows(), start=1):
        counts, heads = page.counts[str(number)], whole_board.predictions[row.recipe]
        labels, scores = (np.concatenate([getattr(head, name) for head in heads]) for name in ("labels", "scores"))
        tp, fp = (unpacked(counts[name]) for name in ("tp", "fp"))
        assert len(tp) == len(fp) == 1001
        for place in range(0, 1001, 100):
            expected = confusion_matrix(labels, scores >= place / 1000)
            assert (fp[place], tp[place]) == (expected[0, 1], expected[1, 1])
        assert counts["seeds"] == 2


def unpacked(text):
    first, *falls = text.split(",")
    return np.cumsum([int(first, 36), *(-int(fall or "0", 36) for fall in falls)])


def test_counts_are_packed_without_loss():
    counts = np.array([5216, 5216, 5000, 37, 36, 0, 0])
    assert packed(counts) == "40w,,60,3tv,1,10,"
    assert unpacked(packed(counts)).tolist() == counts.tolist()


def test_the_confusion_matrix_is_the_mean_over_seeds(whole_board, page):
    entry = whole_board.rows()[0].entry
    table = next(one for one in page.one("details", id="row-1").iter() if one.get("class") == "confusion")
    tp = sum(head.confusion.tp for fold in entry.folds for head in fold.heads) / 2
    positives = entry.dataset.positive
    shown = words_of(table)
    assert f"{tp:,.1f}".removesuffix(".0") in shown
    assert f"{tp / positives:.1%}" in shown


def test_the_policy_allows_its_own_style_and_script_alone(page):
    policy = page.one("meta", http_equiv="Content-Security-Policy").get("content")
    (script,) = [one.text for one in page.all("script") if not one.get("type")]
    assert policy.startswith("default-src 'none';")
    for source, kind in ((page.one("style").text, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy
    assert len(script.encode()) <= 6000


def test_nothing_is_requested_and_nothing_is_styled_in_place(page):
    for element in page.root.iter():
        names = set(element.keys())
        assert not names & {"src", "srcset", "style", "action", "data", "poster", "background"}
        assert not [name for name in names if name.startswith("on")]
        link = element.get("href")
        assert link is None or element.tag.endswith("}a")
    assert "url(" not in page.text
    assert "@import" not in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_text(compete, board_of, page_of, make_protocol, text):
    line = text.replace("\x00", "")
    entry = compete("texture", 3.0).entry.model_copy(
        update={
            "backbone": text,
            "recipe": text,
            "augmentation": text,
            "warnings": (line,),
            "versions": {line: line},
            "reason": line,
            "log": (line,),
        }
    )
    protocol = entry.protocol.model_copy(update={"notice": text, "dataset": text})
    board = replace(board_of(compete("texture", 3.0)), entries=(entry,), protocol=protocol)
    page = page_of(board)
    tags = {one.tag.rpartition("}")[2] for one in page.root.iter()}
    assert not tags & {"img", "iframe", "object"}
    assert len(page.all("script")) == 2
    assert len(page.all("style")) == 1
    assert [one.get("href") for one in page.all("a") if "script" in one.get("href")] == []
    assert not {char for char in page.text if not char.isprintable() and char != "\n"}
    visible = text.encode("unicode_escape").decode() if not text.isprintable() else text
    assert visible in page.words


def test_a_bare_board_has_a_page_without_figures(make_protocol, make_entry, page_of):
    entries = (make_entry("vgg16", 0.75), make_entry("resnet50"))
    page = page_of(Board(protocol=make_protocol(), entries=entries))
    assert [row.get("data-backbone") for row in board_rows(page)] == ["vgg16", "resnet50"]
    assert page.all("figure") == []
    assert page.counts == {}
    assert "MemoryError: no room" in page.words
    empty = page_of(Board(protocol=make_protocol(), entries=()))
    assert "No recipe has a result yet." in empty.words


def test_all_parts_are_shown_where_there_is_something(page):
    keys = {one.get("id") for one in page.all("figure")}
    assert keys >= {"roc", "precision-recall", "cost", "calibration-1", "loss-1", "accuracy-1", "search-1"}
    assert keys >= {"learning_rate-1", "dropout-1"}
    assert "loss-2" not in keys
    for word in ("LEAK: 3 patients are shared", "drawn images: a test of the tool", "For research only", "SHORTCUT"):
        assert word in words_of(page.one("div", role="note"))
    for figure in page.all("figure"):
        assert [one.tag for one in figure.iter() if one.tag in {f"{SVG}title", f"{SVG}desc"}][:2] == [
            f"{SVG}title",
            f"{SVG}desc",
        ]


def test_accuracy_stands_against_time_and_against_size(page):
    tables = {one.get("id"): [words_of(row) for row in one.iter() if row.tag.endswith("}tr")] for one in page.all("figure")}
    assert [row.split()[-2] for row in tables["cost"][1:]] == ["2.5", "40", "9"]
    assert tables["parameters"][0].startswith("row backbone parameters head parameters accuracy")
    assert [row.split()[1:4:2] for row in tables["parameters"][1:]] == [
        ["vgg16+none+none", "263,169"],
        ["mobilenet+none+none", "131,585"],
    ]  # nothing is known of the size of texture
    assert "14,714,688" in tables["parameters"][1]
    dots = [one for one in page.one("figure", id="parameters").iter(f"{SVG}title") if "vgg16" in (one.text or "")]
    assert "backbone parameters 14,714,688, head parameters 263,169, accuracy " in dots[0].text


def test_a_filter_is_there_if_it_has_something_to_choose(page, make_protocol, make_entry, page_of):
    assert {one.get("data-filter") for one in page.all("select")} == {"backbone", "augmentation"}
    alone = page_of(Board(protocol=make_protocol(), entries=(make_entry("vgg16", 0.75),)))
    assert alone.all("select") == alone.all("div", id="filters") == []


def test_the_page_of_images_is_linked_where_there_is_one(whole_board, page, page_of):
    assert page.all("a", href="images.html") == []
    assert page_of(replace(whole_board, has_gallery=True)).one("a", href="images.html").text == "Images with saliency maps"


def test_the_heat_map_holds_the_auc_under_each_shift(whole_board, page):
    (table,) = page.all("table", class_="heat")
    rows = [row for row in table.iter() if row.tag.endswith("}tr")][1:]
    for row, shown in zip(whole_board.rows(), rows, strict=True):
        expected = [row.entry.metrics["auc"], *(score.metrics["auc"] for score in row.shifts.scores)]
        assert [words_of(cell) for cell in shown[1:]] == [f"{value:.3f}" for value in expected]
    last = next(row for row in rows if "control-border" in words_of(row))
    assert {cell.get("class") for cell in last[2:]} == {"h7"}


def test_the_first_sentences_say_who_wins_and_whether_it_lasts(page, compete, board_of, page_of):
    assert "3 ways of building an image classifier (a recipe) were compared on 180 test images" in page.words
    assert "texture+none+none is first, with AUC " in page.words
    assert "which may be chance: 1 of the 2 other recipes cannot be told apart" in page.words
    assert "it stays first; its AUC goes from" in page.words
    assert "so the numbers are too good: see the warnings" in page.words
    clear = page_of(board_of(compete("texture", 6.0), compete("vgg16", 0.5)))
    assert "which is more than chance" in clear.words
    assert "Each image was scored by classifiers that had learnt from images of other patients alone" in clear.words
    assert "data audit: clean" not in clear.words
    assert "nothing here tells whether it stays first on images of another hospital" in clear.words


def test_a_row_that_overtakes_under_shifts_is_named(whole_board, page_of):
    first, second = (row.recipe for row in whole_board.rows()[:2])
    heads, results = whole_board.shifted, whole_board.shifts
    swapped = {first: second, second: first}
    board = replace(
        whole_board,
        shifted={recipe: heads[swapped.get(recipe, recipe)] for recipe in heads},
        shifts={recipe: results[swapped.get(recipe, recipe)].model_copy(update={"recipe": recipe}) for recipe in results},
    )
    words = page_of(board).words
    assert "changed as other machines might (blur, exposure, noise, crop), it does not stay first" in words
    assert f"and {second} is ahead by 0.0" in words or f"and {second} is ahead by less than 0.001" in words
    assert "which may be chance." in words


def test_names_may_break_between_their_parts(page):
    (name,) = [one for one in page.all("a", href="#row-1")]
    assert [child.tag.rpartition("}")[2] for child in name] == []
    from cxrbench.leaderboard.report.environment import breakable

    assert breakable("a:b=0.5,c+<i>+") == "a:<wbr>b=0.5,<wbr>c+<wbr>&lt;i&gt;+"


def test_an_external_test_set_has_its_own_table(whole_board, page_of, facts):
    entry = whole_board.rows()[0].entry
    result = ExternalResult(
        name="hospital",
        dataset="h",
        fingerprint="b" * 64,
        negative=10,
        positive=12,
        recipe=entry.recipe,
        selections=entry.selections,
        metrics={**entry.metrics, "auc": 0.625},
        intervals={"auc": (0.5, 0.75)},
    )
    page = page_of(replace(whole_board, external={"hospital": {entry.recipe: result}}))
    (table,) = [one for one in page.all("table") if "External test set hospital" in words_of(one)]
    assert "0.625 (0.500\N{EN DASH}0.750)" in words_of(table)


def test_each_group_that_is_left_out_has_a_column(compete, board_of, make_protocol, page_of):
    protocol = make_protocol(split="left-out:by=site", folds=2, left_out=("north", "south"))
    page = page_of(board_of(compete("texture", 3.0, protocol=protocol), compete("vgg16", 1.0, protocol=protocol)))
    (table,) = [one for one in page.all("table") if "auc of each group of site" in words_of(one)]
    assert "recipe north south" in words_of(table)


def test_publishing_writes_the_page_and_lists_several_boards(compete, make_protocol, tmp_path):
    for trials in (5, 6):
        protocol = make_protocol(trials=trials)
        store = ProtocolFolder(out=tmp_path, protocol=protocol)
        store.write_protocol()
        compete("texture", 3.0, protocol=protocol).write(store)
        published = publish(store)
        assert (store.path / "index.html").read_text(encoding="utf-8") == board_as_html(published)
    listed = (tmp_path / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'href="([^"]+)/index\.html"', listed)
    assert names == sorted(path.parent.name for path in tmp_path.glob("*/protocol.json"))
    (store.path / "index.html").unlink()
    assert write_pages(tmp_path, read_boards(tmp_path)) == tmp_path / "index.html"
    assert (store.path / "index.html").is_file()
