"""Presets: the settings of a known protocol, under all that is set otherwise."""

from pathlib import Path

import pytest

from cxrbench.config.settings import read_settings
from cxrbench.errors import ConfigError


def toml(text):
    Path("cxrbench.toml").write_text(text, encoding="utf-8")


REPORTS_BACKBONES = ("resnet50", "densenet121", "inceptionv3", "vgg16")


def test_the_preset_report_has_the_reports_settings():
    settings = read_settings({"preset": "report"})
    assert settings.backbone == tuple(f"{name}:preprocessing=rescale" for name in REPORTS_BACKBONES)
    assert (settings.split, settings.image_size, settings.resize) == ("paper", 224, "stretch")
    assert (settings.augmentation, settings.imbalance) == (("none", "paper"), ("none", "class-weights"))
    assert settings.engine == "fixed:dropout=0.5,learning_rate=0.001"
    assert (settings.trials, settings.epochs, settings.batch_size) == (1, 10, 32)
    assert (settings.threshold, settings.also_at, settings.controls) == ("fixed=0.5", (0.7,), True)


def test_both_presets_differ_in_the_pixels_of_backbones_alone():
    report, native = (read_settings({"preset": name}).model_dump() for name in ("report", "report-native"))
    assert native["backbone"] == REPORTS_BACKBONES
    assert {name for name in report if report[name] != native[name]} == {"preset", "backbone"}


def test_flags_environment_and_file_come_before_a_preset(monkeypatch):
    toml("trials = 11\nepochs = 12\nbatch-size = 13\n")
    monkeypatch.setenv("CXRBENCH_TRIALS", "21")
    monkeypatch.setenv("CXRBENCH_EPOCHS", "22")
    settings = read_settings({"preset": "report", "trials": 31, "backbone": ["texture"]})
    assert (settings.trials, settings.epochs, settings.batch_size) == (31, 22, 13)
    assert (settings.backbone, settings.split, settings.also_at) == (("texture",), "paper", (0.7,))


def test_a_preset_is_named_by_flag_environment_or_file(monkeypatch):
    toml('preset = "report"\n')
    assert read_settings({}).backbone[0] == "resnet50:preprocessing=rescale"
    monkeypatch.setenv("CXRBENCH_PRESET", "report-native")
    assert read_settings({}).backbone[0] == "resnet50"
    assert read_settings({"preset": "report"}).backbone[0] == "resnet50:preprocessing=rescale"


def test_an_unknown_preset_is_answered_with_the_nearest(monkeypatch):
    with pytest.raises(ConfigError, match=r"^unknown preset 'reprot': did you mean report\?$"):
        read_settings({"preset": "reprot"})
    monkeypatch.setenv("CXRBENCH_PRESET", "quick")
    with pytest.raises(ConfigError, match=r"^unknown preset 'quick': known: report, report-native$"):
        read_settings({})


def test_an_unknown_preset_is_exit_code_2_and_one_line(workspace):
    done = workspace.call_here("run", "--preset", "report-nativ")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown preset 'report-nativ': did you mean report-native or report?\n"
