"""The figures of a board, drawn into axes: their numbers are those of the entries, and they can be told apart in grey."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cxrbench.errors import ConfigError
from cxrbench.evaluation.curve_bands import GRID, curve_bands
from cxrbench.leaderboard.board import Board
from cxrbench.leaderboard.plots.canvas import COLOURS, line_of
from cxrbench.leaderboard.report.environment import TEMPLATES
from cxrbench.leaderboard.report.figures import calibration_figure


@pytest.fixture
def axes():
    return Figure().subplots()


def area_below(line):
    x, y = np.asarray(line.get_data(), dtype=float)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)


def legend_texts(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def drawn_rows(axes):
    """Return the lines of rows by recipe."""
    return {line.get_label().partition("\n")[0]: line for line in axes.get_lines() if "\n" in str(line.get_label())}


@pytest.mark.parametrize(("name", "metric"), [("plot_roc", "auc"), ("plot_precision_recall", "pr-auc")])
def test_the_area_of_a_curve_is_the_metric_of_its_row(whole_board, axes, name, metric):
    assert getattr(whole_board, name)([1, 2], ax=axes) is axes
    rows = [whole_board[0], whole_board[1]]
    found = drawn_rows(axes)
    assert list(found) == [row.recipe for row in rows]
    for row in rows:
        assert area_below(found[row.recipe]) == pytest.approx(row.entry.metrics[metric], abs=1e-9)
    low, high = rows[0].entry.intervals[metric]
    assert legend_texts(axes)[0] == f"{rows[0].recipe}\n{metric} {rows[0].entry.metrics[metric]:.3f} ({low:.3f}–{high:.3f})"  # noqa: RUF001


def test_the_band_is_that_of_the_row_named_first(whole_board, axes):
    row = whole_board[1]
    whole_board.plot_roc([row, 1], ax=axes)
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    expected = curve_bands(whole_board.predictions[row.recipe], 0)[0]
    drawn = {round(x, 6): sorted(corners[np.isclose(corners[:, 0], x), 1]) for x in GRID}
    assert [drawn[round(x, 6)][0] for x in GRID[1:-1]] == pytest.approx(expected.low[1:-1])
    assert [drawn[round(x, 6)][-1] for x in GRID[1:-1]] == pytest.approx(expected.high[1:-1])


def test_calibration_has_the_numbers_of_the_page(whole_board, axes):
    whole_board.plot_calibration(2, ax=axes)
    ((line, _, (bars,)),) = axes.containers
    rows = calibration_figure(2, whole_board.predictions[whole_board[1].recipe]).table.rows
    assert [(f"{x:.4f}", f"{y:.4f}") for x, y in zip(*line.get_data(), strict=True)] == [(row[0], row[2]) for row in rows]
    ends = [" to ".join(f"{y:.4f}" for y in sorted(segment[:, 1])) for segment in bars.get_segments()]
    assert ends == [row[3] for row in rows]


def test_intervals_are_drawn_as_the_board_ranks_them(whole_board, axes):
    whole_board.plot_intervals(ax=axes)
    rows = whole_board.rows()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [f"{row.rank}. {row.recipe}" for row in rows]
    assert axes.yaxis_inverted()
    for place, row in enumerate(rows):
        value, (low, high) = row.entry.metrics["auc"], row.entry.intervals["auc"]
        lines = [line for line in axes.get_lines() if line.get_ydata()[0] == place]
        segment, dot = sorted(lines, key=lambda line: -len(line.get_xdata()))
        assert tuple(segment.get_xdata()) == (low, high)
        if not row.entry.control:
            assert tuple(dot.get_xdata()) == (value,)
            assert (to_hex(dot.get_markerfacecolor()) == to_hex("white")) == (not row.standing.tied)
        assert f"{value:.3f} ({low:.3f}–{high:.3f})" in {text.get_text() for text in axes.texts}  # noqa: RUF001
    assert {bool(row.standing.tied) for row in rows} == {True, False}


def test_a_control_beyond_the_recipes_is_an_arrow(compete, board_of, axes):
    board = board_of(compete("texture", 3.0), compete("vgg16", 2.8), compete("control-border", 0.1, control=True))
    board.plot_intervals(ax=axes)
    low = min(row.entry.intervals["auc"][0] for row in board.rows()[:2])
    assert low - 0.05 < axes.get_xlim()[0] < low
    assert [line.get_marker() for line in axes.get_lines() if line.get_ydata()[0] == 2] == ["None", "<"]
    assert "control, beyond the axis" in legend_texts(axes)


def test_rows_without_scores_are_not_said_to_differ(make_entry, make_protocol, axes):
    board = Board(protocol=make_protocol(), entries=(make_entry("a", 0.875), make_entry("b", 0.75), make_entry("c")))
    board.plot_intervals(ax=axes)
    assert legend_texts(axes) == ["first, or not told apart from it", "not compared with the first: scores are missing"]
    assert [tick.get_text() for tick in axes.get_yticklabels()][2] == "-. c+none+smote"
    assert [text.get_text() for text in axes.texts] == ["0.875", "0.750"]


def test_the_confusion_matrix_is_the_mean_over_seeds(whole_board, axes):
    whole_board.plot_confusion(1, ax=axes)
    heads = [head.confusion for fold in whole_board[0].entry.folds for head in fold.heads]
    places = {(0.5, 0.5): "tn", (1.5, 0.5): "fp", (0.5, 1.5): "fn", (1.5, 1.5): "tp"}
    shown = {places[text.get_position()]: text.get_text().split("\n")[0] for text in axes.texts}
    assert {name: float(text) for name, text in shown.items()} == {
        name: sum(getattr(one, name) for one in heads) / 2 for name in places.values()
    }
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["NORMAL", "PNEUMONIA"]


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_training_has_a_line_per_head_and_part(whole_board, axes, name):
    getattr(whole_board, f"plot_{name}")(1, ax=axes)
    curves = [head.curves for fold in whole_board[0].entry.folds for head in fold.heads]
    solid, dashed = ([line for line in axes.get_lines() if line.get_linestyle() == style] for style in ("-", "--"))
    assert [tuple(line.get_ydata()) for line in solid] == [getattr(one, f"train_{name}") for one in curves]
    assert [tuple(line.get_ydata()) for line in dashed] == [getattr(one, f"validation_{name}") for one in curves]
    assert tuple(solid[0].get_xdata()) == (1, 2, 3)
    assert legend_texts(axes) == ["training", "validation"]


def test_eight_rows_differ_without_colour(compete, board_of, axes):
    board = board_of(*(compete(f"net{number}", 1 + number / 4) for number in range(9)))
    board.plot_roc(list(range(1, 9)), ax=axes)
    looks = {(str(line.get_linestyle()), str(line._dash_pattern), line.get_marker()) for line in drawn_rows(axes).values()}
    assert len(looks) == 8
    assert len({line_of(place)["marker"] for place in range(8)}) == 8
    with pytest.raises(ConfigError, match="9 rows: at most 8 can be told apart"):
        board.plot_roc(list(range(1, 10)), ax=axes)


def test_rows_have_the_colours_of_the_page():
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--c\d:(#[0-9a-f]{6})", css)[:8]) == COLOURS


def test_nobody_choosing_shows_the_best_of_each_backbone(compete, board_of, axes):
    recipes = {"recipe": "a+none+smote", "imbalance": "smote"}
    board = board_of(compete("a", 3.0), replace_entry(compete("a", 2.0), **recipes), compete("b", 2.5))
    board.plot_roc(ax=axes)
    assert list(drawn_rows(axes)) == ["a+none+none", "b+none+none"]


def replace_entry(competitor, **changes):
    return replace(competitor, entry=competitor.entry.model_copy(update=changes))


def test_rows_that_cannot_be_drawn_are_refused(compete, board_of, make_entry, axes):
    board = board_of(compete("texture", 3.0), compete("vgg16", 3.0, images=200))
    board = replace(
        board, entries=(*board.entries[:1], make_entry("resnet50")), predictions=dict([*board.predictions.items()][:1])
    )
    for rows, told in (
        ("textur+none+none", "did you mean texture"),
        (7, "no row has rank 7"),
        ("resnet50 + none + smote", "resnet50.* is failed: it has no stored scores"),
    ):
        with pytest.raises(ConfigError, match=told):
            board.plot_roc(rows, ax=axes)
    with pytest.raises(ConfigError, match="is failed: there is no result to draw"):
        board.plot_confusion("resnet50+none+smote", ax=axes)
    with pytest.raises(ConfigError, match=r"texture.* has no learning curves"):
        board.plot_loss(1, ax=axes)


def test_a_rank_of_several_rows_is_refused(make_entry, make_protocol, axes):
    board = Board(protocol=make_protocol(), entries=(make_entry("a", 0.75), make_entry("b", 0.75)))
    with pytest.raises(ConfigError, match=r"rank 1 is shared by a.* and b.*: name the recipe"):
        board.plot_confusion(1, ax=axes)
    assert board.plot_confusion("b+none+smote", ax=axes) is axes


def test_without_axes_new_ones_are_made_for_pyplot(whole_board):
    import matplotlib

    with matplotlib.rc_context({"backend": "agg"}):
        from matplotlib import pyplot

        settings = dict(matplotlib.rcParams)
        made = whole_board.plot_roc(1)
        assert isinstance(made, Axes)
        assert pyplot.get_fignums() == [made.figure.number]
        assert dict(matplotlib.rcParams) == settings
        pyplot.close(made.figure)
