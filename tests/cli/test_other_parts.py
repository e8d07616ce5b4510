"""Rows of other images than those of the earlier rows are not added to a board."""

from __future__ import annotations

import pytest

from cxrbench.evaluation.prediction_table import read_predictions, write_predictions

RUN = (
    *("run", "--data", "images", "--image-size", 32, "--augmentation", "none", "--imbalance", "none", "--no-controls"),
    *("--trials", 1, "--epochs", 1, "--workers", 0, "--offline"),
)


@pytest.fixture
def tables(workspace, write_images, run_here):
    """Run once; return the predictions of its recipe and of the baseline."""
    write_images("images", 200, 220)
    assert run_here(*RUN, "--backbone", "control-intensity").returncode == 0
    return sorted((workspace.protocol_folder() / "predictions").iterdir())


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_with_other_images_is_refused_until_a_new_attempt(tables, run_here, part):
    for table in tables:
        heads = read_predictions(table)
        for head in heads:
            if head.subset == part:
                head.keys[0] = head.keys[0].replace(".jpeg", ".png")
        write_predictions(table, heads)
    refused = run_here(*RUN, "--backbone", "control-border")
    assert refused.returncode == 2
    assert f"2 images of the {part} part are not those of the earlier results" in refused.stderr
    assert "Rows of both would not be comparable: add --fresh" in refused.stderr
    assert run_here(*RUN, "--backbone", "control-border", "--fresh").returncode == 0


def test_the_same_images_are_added_to_the_board(tables, run_here, workspace):
    done = run_here(*RUN, "--backbone", "control-border")
    assert done.returncode == 0, done.stderr
    assert len(workspace.entries()) == 2
