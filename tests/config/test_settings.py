"""Settings: flags, environment, file, defaults, in this order; a mistake names the flag, the value and what is expected."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cxrbench
from cxrbench.config.protocol import Protocol
from cxrbench.config.settings import Settings, read_settings
from cxrbench.errors import ConfigError


def toml(text, name="cxrbench.toml"):
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def test_without_anything_said_the_documented_defaults_hold():
    settings = read_settings({})
    assert (settings.data, settings.engine, settings.trials, settings.metric) == ("sample", "optuna", 50, "auc")
    assert (settings.augmentation, settings.imbalance) == (("none", "gentle"), ("none", "class-weights", "smote"))
    assert (settings.threshold, settings.image_size, settings.epochs, settings.patience) == ("max-f1", 224, 10, 3)
    assert (settings.out, settings.seed, settings.controls, settings.split) == (Path("leaderboard"), 0, True, None)
    assert 1 <= settings.workers <= 8


def test_precedence_is_flag_environment_file_default(monkeypatch):
    toml("trials = 11\nepochs = 12\npatience = 13\n")
    monkeypatch.setenv("CXRBENCH_TRIALS", "21")
    monkeypatch.setenv("CXRBENCH_EPOCHS", "22")
    settings = read_settings({"trials": 31, "epochs": None})
    assert (settings.trials, settings.epochs, settings.patience, settings.batch_size) == (31, 22, 13, 64)


def test_a_list_from_a_higher_place_replaces_the_lower_one(monkeypatch):
    toml('backbone = ["vgg16", "vgg19"]\naugmentation = ["paper"]\nimbalance = ["focal"]\n')
    monkeypatch.setenv("CXRBENCH_BACKBONE", "texture")
    monkeypatch.setenv("CXRBENCH_AUGMENTATION", "strong")
    settings = read_settings({"backbone": ["mobilenet"]})
    assert (settings.backbone, settings.augmentation, settings.imbalance) == (("mobilenet",), ("strong",), ("focal",))


def test_a_flag_of_no_comes_before_an_environment_of_yes(monkeypatch):
    monkeypatch.setenv("CXRBENCH_CONTROLS", "1")
    assert read_settings({}).controls is True
    assert read_settings({"controls": False}).controls is False


@pytest.mark.parametrize("text", ["texture mobilenet:alpha=0.25", "  texture\n\tmobilenet:alpha=0.25 "])
def test_a_list_in_the_environment_is_split_on_white_space(text, monkeypatch):
    monkeypatch.setenv("CXRBENCH_BACKBONE", text)
    monkeypatch.setenv("CXRBENCH_PLUGIN", "one.py two.py")
    settings = read_settings({})
    assert settings.backbone == ("texture", "mobilenet:alpha=0.25")
    assert settings.plugin == (Path("one.py"), Path("two.py"))


def test_both_words_for_blocking_count(monkeypatch):
    monkeypatch.setenv("CXRBENCH_BLOCK", "one two")
    monkeypatch.setenv("CXRBENCH_WITHOUT", "three")
    assert set(read_settings({}).blocked) == {"one", "two", "three"}
    assert set(read_settings({"without": ["four"]}).blocked) == {"one", "two", "four"}


@pytest.mark.parametrize("key", ["image-size", "image_size"])
def test_keys_in_the_file_are_written_like_flags_or_like_python(key):
    toml(f"{key} = 96\n")
    assert read_settings({}).image_size == 96


def test_a_single_name_needs_no_brackets_and_keeps_its_blanks():
    toml("backbone = 'texture:radius=2, orientations=4'\nplugin = 'my plugins/mine.py'\n")
    settings = read_settings({})
    assert settings.backbone == ("texture:radius=2, orientations=4",)
    assert settings.plugin == (Path("my plugins/mine.py"),)


def test_a_named_file_is_read_instead_of_the_one_in_the_folder():
    toml("trials = 1\nepochs = 1\n")
    other = toml("trials = 2\n", "other.toml")
    settings = read_settings({}, other)
    assert (settings.trials, settings.epochs) == (2, 10)


def test_a_file_named_by_hand_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match=r"^--config nowhere\.toml: No such file"):
        read_settings({}, Path("nowhere.toml"))


@pytest.mark.parametrize("content", [b"trials = ", b"trials = 1\ntrials = 2", b"data = '\xff'"])
def test_a_file_that_is_no_toml_is_named(content):
    Path("cxrbench.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^cxrbench\.toml is not valid TOML: "):
        read_settings({})


@pytest.mark.parametrize("text", ["trails = 5", "[run]\ntrials = 5", "file_ = 1"])
def test_an_unknown_key_in_the_file_is_named_with_where_to_look(text):
    toml(text)
    key = re.match(r"\[?([a-z_]+)", text)[1]
    with pytest.raises(ConfigError, match=rf"unknown setting '{key.replace('_', '-')}'; cxrbench run --help lists them"):
        read_settings({})


def test_an_unknown_argument_in_python_is_named():
    with pytest.raises(cxrbench.CxrbenchError, match="unknown setting 'trails'"):
        cxrbench.run(trails=5)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("trials", 0, "greater than or equal to 1"),
        ("trials", "many", "valid integer"),
        ("epochs", -1, "greater than or equal to 1"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("patience", 0, "greater than or equal to 1"),
        ("image_size", 31, "greater than or equal to 32"),
        ("image_size", 1025, "less than or equal to 1024"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", 2**31, "less than 2147483648"),
        ("workers", -1, "greater than or equal to 0"),
        ("metric", "f2", "'auc', 'f1', 'accuracy', 'recall', 'precision' or 'balanced-accuracy'"),
        ("split", "random", "'official', 'grouped', 'paper' or 'left-out:by=COLUMN'"),
        ("split", "left-out:of=site", "'official', 'grouped', 'paper' or 'left-out:by=COLUMN'"),
        ("resize", "crop", "'stretch' or 'pad'"),
        ("precision", "float16", "'float32' or 'bfloat16'"),
        ("folds", 0, "greater than or equal to 1"),
        ("folds", 21, "less than or equal to 20"),
        ("seeds", 0, "greater than or equal to 1"),
        ("prevalence", 0, "greater than 0"),
        ("prevalence", 1, "less than 1"),
        (
            "threshold",
            "recall>=1.5",
            "max-f1, max-accuracy, youden, median-f1, median-accuracy, median-youden, recall>=R, fixed=T",
        ),
        ("threshold", "best", "max-f1, max-accuracy, youden, median-f1, median-accuracy, median-youden, recall>=R, fixed=T"),
    ],
)
def test_a_bad_value_is_named_with_flag_and_what_is_expected(name, value, expected, monkeypatch):
    flag = f"--{name.replace('_', '-')} {value}: "
    with pytest.raises(ConfigError) as by_flag:
        read_settings({name: value})
    monkeypatch.setenv(f"CXRBENCH_{name.upper()}", str(value))
    with pytest.raises(ConfigError) as by_environment:
        read_settings({})
    for caught in (by_flag, by_environment):
        assert str(caught.value).startswith(flag)
        assert expected in str(caught.value)


@pytest.mark.parametrize("also_at", [[1.0], [0], ["high"], [0.5, -1]])
def test_further_thresholds_lie_between_0_and_1(also_at):
    with pytest.raises(ConfigError, match=r"^--also-at "):
        read_settings({"also_at": also_at})


def test_further_thresholds_are_sorted_and_each_counts_once(monkeypatch):
    assert read_settings({"also_at": [0.7, 0.3, 0.7]}).also_at == (0.3, 0.7)
    monkeypatch.setenv("CXRBENCH_ALSO_AT", "0.9 0.2")
    assert read_settings({}).also_at == (0.2, 0.9)
    toml("also-at = [0.6, 0.5]\n")
    monkeypatch.delenv("CXRBENCH_ALSO_AT")
    assert read_settings({}).also_at == (0.5, 0.6)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["elsewhere"], "'elsewhere' must be NAME=PATH"),
        (["=images"], "must be NAME=PATH"),
        (["elsewhere="], "must be NAME=PATH"),
        (["../up=images"], "must be NAME=PATH, with a name of letters, digits and hyphens"),
        (["a b=images"], "must be NAME=PATH"),
        (["ward=one", "ward=two"], "duplicate name 'ward'"),
    ],
)
def test_an_external_test_set_needs_a_unique_folder_name(texts, words):
    with pytest.raises(ConfigError, match=r"^--external ") as caught:
        read_settings({"external": texts})
    assert words in str(caught.value)


def test_external_test_sets_come_from_flag_environment_and_file(monkeypatch):
    toml('external = "ward-2=images/other=one"\n')
    assert read_settings({}).external == ("ward-2=images/other=one",)
    monkeypatch.setenv("CXRBENCH_EXTERNAL", "a=one b=phantom:images=60,seed=3")
    assert read_settings({}).external == ("a=one", "b=phantom:images=60,seed=3")
    assert read_settings({"external": ["c=two"]}).external == ("c=two",)


def test_all_bad_values_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        read_settings({"trials": 0, "image_size": 5})
    assert "--trials 0" in str(caught.value)
    assert "--image-size 5" in str(caught.value)


POLICIES = [
    "max-f1",
    "max-accuracy",
    "youden",
    "median-f1",
    "median-accuracy",
    "median-youden",
    "search",
    "recall>=0.95",
    "recall>=1",
    "recall>=.9",
    "fixed=0.5",
    "fixed=0",
]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_documented_threshold_policy_is_accepted(policy):
    assert read_settings({"threshold": policy}).threshold == policy


MILLIONTHS = st.integers(0, 10**6).map(lambda number: number / 10**6)
OUTSIDE = (
    lambda value: f"recall>={value + 1.5:f}",
    lambda value: f"fixed=-{value:f}",
    lambda value: f"fixed={value:f}x",
    lambda value: f"recall<={value:f}",
    lambda value: "fixed=",
)


@given(MILLIONTHS, st.sampled_from(OUTSIDE))
def test_only_a_recall_or_a_cut_in_0_to_1_is_accepted(value, outside):
    assert Settings(threshold=f"recall>={value:f}", data="phantom").threshold == f"recall>={value:f}"
    with pytest.raises(ConfigError, match="threshold"):
        read_settings({"threshold": outside(value)})


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        read_settings({}).trials = 5


def test_a_bad_flag_is_exit_code_2_and_one_line(workspace):
    done = workspace.call_here("run", "--trials", "0", "--threshold", "best")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: --trials 0: .+; --threshold best: .+\n", done.stderr)


def test_a_bad_environment_or_file_ends_the_command_alike(workspace):
    toml("image-size = 7\n")
    done = workspace.call_here("run", CXRBENCH_SEED="x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--image-size 7: " in done.stderr
    assert "--seed x: " in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_takes_an_unknown_component_from_the_file(workspace):
    toml("backbone = 'textur'\noffline = true\n")
    done = workspace.call_here("run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown backbone 'textur': did you mean texture?\n"


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 10**9), ("4GiB", 2**32), ("1500MB", 15 * 10**8), ("1.5 GB", 15 * 10**8)]
)
def test_memory_is_written_with_its_unit(text, size):
    assert read_settings({"max_memory": text}).max_memory == size


@pytest.mark.parametrize("text", ["4", "512MB", "much", "4XB", "-4GB"])
def test_too_little_memory_or_one_without_a_unit_is_refused(text):
    with pytest.raises(ConfigError, match=f"--max-memory {text}"):
        read_settings({"max_memory": text})


@pytest.mark.parametrize("seconds", [0, -1, "soon"])
def test_a_timeout_is_a_number_of_seconds(seconds):
    with pytest.raises(ConfigError, match=f"--timeout {seconds}"):
        read_settings({"timeout": seconds})


def test_the_storage_is_a_secret_and_no_part_of_the_protocol(monkeypatch):
    monkeypatch.setenv("CXRBENCH_STORAGE", "postgresql://ann:s3cret@host/studies")
    settings = read_settings({"fresh": True})
    assert settings.storage.get_secret_value() == "postgresql://ann:s3cret@host/studies"
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert not {"storage", "fresh"} & Protocol.model_fields.keys()


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_of_any_editor_is_read(mark, ends):
    Path("cxrbench.toml").write_bytes(mark + f"trials = 11{ends}image-size = 64{ends}".encode())
    settings = read_settings({})
    assert (settings.trials, settings.image_size) == (11, 64)


def test_a_file_in_another_encoding_is_refused_with_what_to_do():
    Path("cxrbench.toml").write_text("trials = 11", encoding="utf-16")
    with pytest.raises(ConfigError, match=r"cxrbench\.toml is not valid TOML: .*Save it as UTF-8"):
        read_settings({})


def test_a_setting_given_in_two_spellings_is_refused():
    toml("image-size = 64\nimage_size = 32\n")
    with pytest.raises(ConfigError, match=r"cxrbench\.toml: image-size and image_size are the same setting: keep one"):
        read_settings({})


@pytest.mark.parametrize(
    ("given", "split"),
    [
        ("left-out:by=Scan Room", "left-out:by=scan room"),
        ("left-out: by = 7", 'left-out:by="7"'),
        ('left-out:by="a, B"', 'left-out:by="a, b"'),
        ("left-out:by=", "left-out"),
        ("paper", "paper"),
    ],
)
def test_a_split_has_one_spelling(given, split):
    assert read_settings({"split": given}).split == split


def test_groups_that_are_left_out_are_the_folds():
    with pytest.raises(ConfigError, match="--folds 5: --split left-out:by=site has one fold for each group: leave --folds out"):
        read_settings({"split": "left-out:by=site", "folds": 5})
    assert read_settings({"split": "left-out:by=site", "folds": 1}).folds == 1


@pytest.mark.parametrize("given", [2, "2", ["2"], [2]])
def test_a_number_of_recipes_to_fine_tune_is_a_number_or_a_text(given):
    assert read_settings({"fine_tune": given}).fine_tune == ("2",)


def test_numbers_and_names_of_recipes_are_mixed_in_a_file(tmp_path):
    (tmp_path / "cxrbench.toml").write_text('fine_tune = [1, "texture+none+none"]\n')
    assert read_settings({}, tmp_path / "cxrbench.toml").fine_tune == ("1", "texture+none+none")
