"""The report's protocol as a preset, and the preset with each backbone's native image size."""

from __future__ import annotations

import json

QUICK = ("--image-size", 32, "--epochs", 1, "--workers", 0, "--offline", "--no-controls", "--backbone", "control-intensity")
REPORTED = {
    "split": "paper",
    "image_size": 32,
    "engine": "fixed:dropout=0.5,learning_rate=0.001",
    "trials": 1,
    "epochs": 1,
    "batch_size": 32,
    "threshold": "fixed=0.5",
    "also_at": [0.7],
    "folds": 1,
    "seeds": 1,
}


def test_both_presets_share_one_protocol_and_flags_override_it(run_here, write_images, workspace):
    write_images("images", 200, 220)
    for preset, augmentation in (("report", "none"), ("report-native", "gentle:views=1")):
        result = run_here("run", "--data", "images", "--preset", preset, *QUICK, "--augmentation", augmentation)
        assert result.returncode == 0, result.stderr
    protocol = json.loads((workspace.protocol_folder() / "protocol.json").read_text())  # there is one
    assert {name: protocol[name] for name in REPORTED} == REPORTED
    imbalances = ("none", "class-weights")
    assert set(workspace.entries()) == {
        f"control-intensity+{augmentation}+{imbalance}"
        for augmentation in ("none", "gentle:views=1")
        for imbalance in imbalances
    }
    for entry in workspace.entries().values():
        (fold,) = entry["folds"]
        assert fold["params"] == {"learning_rate": 0.001, "dropout": 0.5}
        assert [head["threshold"] for head in fold["heads"]] == [0.5]
        assert {"recall@0.7", "precision@0.7"} <= entry["metrics"].keys()


def test_both_report_presets_share_one_board(run_here, write_images):
    write_images("images", 200, 220)
    backbones = ("mobilenet:alpha=0.25,preprocessing=rescale", "mobilenet:alpha=0.25")
    result = run_here(
        *("run", "--preset", "report", "--data", "images", "--image-size", 64, "--json", "--no-controls"),
        *(word for name in backbones for word in ("--backbone", name)),
        *("--augmentation", "none", "--imbalance", "none", "--epochs", 2, "--workers", 0, "--offline"),
    )
    assert result.returncode == 0, result.stderr
    rows = {row["backbone"]: row for row in json.loads(result.stdout) if row["kind"] == "recipe"}
    assert set(rows) == set(backbones)
    assert len({row["protocol"] for row in rows.values()}) == 1
    for row in rows.values():
        assert 0 <= row["recall@0.7_low"] <= row["recall@0.7"] <= row["recall@0.7_high"] <= 1
        assert row["recall@0.7"] <= row["recall"]
        assert row["threshold"] == 0.5
    assert rows[backbones[0]]["brier"] != rows[backbones[1]]["brier"]
