"""What a notebook shows of a board and of an entry."""

from __future__ import annotations

from dataclasses import replace

import html5lib
import pytest

from cxrbench.leaderboard.board import Board

NAMESPACE = "{http://www.w3.org/1999/xhtml}"
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><b onclick="x">',
    "{{ 7 * 7 }}",
    "\u202egnp.exe",
    "\x1b[2J",
)


def parsed(shown):
    """Return the elements of valid HTML."""
    return list(html5lib.HTMLParser(strict=True).parseFragment(shown._repr_html_()).iter())


def texts(elements, name):
    return [" ".join(" ".join(one.itertext()).split()) for one in elements if one.tag == NAMESPACE + name]


def test_a_board_shows_its_rows_with_intervals(whole_board):
    elements = parsed(whole_board)
    heading, *rows = texts(elements, "tr")
    assert heading == "rank recipe accuracy recall precision f1 auc auc shifted P(first) threshold trials"
    assert len(rows) == 4
    for shown, row in zip(rows, whole_board.rows(), strict=True):
        assert row.entry.backbone in shown
        assert f"{row.entry.augmentation} + {row.entry.imbalance}" in shown
        low, high = row.entry.intervals["auc"]
        assert f"{row.entry.metrics['auc']:.3f} {low:.3f}\N{EN DASH}{high:.3f}" in shown
    notes = texts(elements, "li")
    assert whole_board.protocol.notice in notes
    assert "data audit: 1 finding: 3 shared-patients (leak)" in notes


def test_an_entry_shows_its_metrics_or_its_reason(whole_board, make_entry):
    entry = whole_board[0].entry
    rows = texts(parsed(entry), "tr")[1:]
    assert [row.split()[0] for row in rows] == list(entry.metrics)
    low, high = entry.intervals["auc"]
    assert f"auc {entry.metrics['auc']:.3f} {low:.3f}\N{EN DASH}{high:.3f}" in rows
    failed = make_entry("resnet50")
    assert texts(parsed(failed), "p")[0].startswith("resnet50+none+smote : failed, MemoryError: no room")
    assert texts(parsed(failed), "tr") == []


def test_both_are_one_line_of_text(whole_board, make_entry):
    assert repr(whole_board) == f"Board({whole_board.name!r}, 4 rows, 4 complete, ranked by auc)"
    entry = whole_board[0].entry
    assert repr(entry) == f"Entry(recipe='texture+none+none', status='complete', auc={entry.metrics['auc']:.3f})"
    assert repr(make_entry("resnet50")) == "Entry(recipe='resnet50+none+smote', status='failed')"


def test_equal_boards_show_equal_tables(whole_board):
    assert replace(whole_board)._repr_html_() == whole_board._repr_html_()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_text(make_entry, make_protocol, text):
    changes = {"backbone": text, "recipe": text, "augmentation": text, "warnings": (text,), "reason": text}
    entry = make_entry("a", 0.75).model_copy(update=changes)
    failed = make_entry("b").model_copy(update=changes)
    board = Board(protocol=make_protocol(notice=text), entries=(entry, failed))
    for shown in (board, entry, failed):
        elements = parsed(shown)
        assert {one.tag.removeprefix(NAMESPACE) for one in elements if isinstance(one.tag, str)} <= {
            *(
                "DOCUMENT_FRAGMENT",
                "div",
                "p",
                "strong",
                "small",
                "br",
                "table",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "ul",
                "li",
            ),
        }
        assert not [name for one in elements for name in one.attrib if name != "scope"]
        visible = text if text.isprintable() else text.encode("unicode_escape").decode()
        assert visible in " ".join(" ".join(elements[0].itertext()).split())
