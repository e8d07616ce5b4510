from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.errors import ConfigError
from cxrbench.storage.files import (
    atomic_write,
    check_writable,
    digest,
    digest_each,
    digest_file,
    home,
    seed_from,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def test_home_follows_the_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("CXRBENCH_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CXRBENCH_HOME", "~/cache")
    assert home() == tmp_path / "cache"


@pytest.mark.parametrize("unset", [True, False])
def test_home_defaults_to_the_platforms_cache(tmp_path, monkeypatch, unset):
    monkeypatch.setenv("CXRBENCH_HOME", "")
    if unset:
        monkeypatch.delenv("CXRBENCH_HOME")
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    assert home().is_relative_to(tmp_path)
    assert "cxrbench" in home().parts


@pytest.mark.parametrize("folder", [".", "a/new/one"])
def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path, folder):
    path = tmp_path / folder / "a.bin"
    for old, new in ((None, b"old"), (b"old", b"new")):
        with atomic_write(path) as file:
            file.write(new)
            file.flush()
            assert (path.read_bytes() if path.exists() else None) == old
        assert path.read_bytes() == new
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_no_temporary_one(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(error), atomic_write(path) as file:  # noqa: PT012
        file.write(b"half of the n")
        raise error
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_are_readable_by_others(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").stat().st_mode & 0o444 == 0o444


@given(st.text().filter(lambda text: text.isprintable()))
def test_text_is_utf_8(folder, text):
    write_text(folder / "a.txt", text)
    assert (folder / "a.txt").read_bytes().decode("utf-8") == text


@given(JSON)
def test_json_round_trips(folder, content):
    write_json(folder / "a.json", content)
    assert json.loads((folder / "a.json").read_text(encoding="utf-8")) == content


def test_lists_of_numbers_and_words_are_on_one_line(tmp_path):
    content = {"values": [0.25, None, -1e-05, True], "states": ["complete", "failed"], "texts": ["a [1]", "x"], "none": []}
    write_json(tmp_path / "a.json", content)
    values, states, *texts, none = (tmp_path / "a.json").read_text().splitlines()[1:-1]
    assert (values, states) == ('  "values": [0.25,null,-1e-05,true],', '  "states": ["complete","failed"],')
    assert texts == ['  "texts": [', '    "a [1]",', '    "x"', "  ],"]
    assert none == '  "none": []'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(tmp_path, number):
    path = tmp_path / "a.json"
    write_json(path, {"auc": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"auc": number})
    assert json.loads(path.read_text()) == {"auc": 0.5}
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest([number])


@given(st.dictionaries(st.text(), JSON))
def test_digest_does_not_depend_on_key_order(content):
    assert digest(content) == digest(dict(reversed(content.items())))


def test_digest_is_the_same_in_every_release():
    assert digest({"b": [1, 0.5, None], "a": "Köln"}) == "5544e4f023bdcf1b25110c95da7ec696f29c06973fbad10a57326374b3c95bb8"


@pytest.mark.parametrize("other", [[1, "2"], ["1", 2], [12], [[1], 2], [1, 2, None], [2, 1], [1, 2.5], []])
def test_different_content_has_a_different_digest(other):
    assert digest([1, 2]) != digest(other)


@given(st.lists(JSON, max_size=5), st.lists(JSON, max_size=5))
def test_digest_each_differs_exactly_when_digest_does(one, other):
    assert digest_each(iter(one)) == digest_each(one)
    assert (digest_each(one) == digest_each(other)) == (digest(one) == digest(other))


@pytest.mark.parametrize("other", [["ab", "c"], ["abc"], ["a", "b", "c"], ["bc", "a"], ["a", "bc", ""], [["a", "bc"]], []])
def test_digest_each_depends_on_element_boundaries(other):
    assert digest_each(["a", "bc"]) != digest_each(other)


def test_digest_file_hashes_the_bytes(tmp_path):
    Path(tmp_path / "a").write_bytes(b"abc")
    assert digest_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@given(st.lists(st.integers() | st.text(), max_size=4))
def test_a_seed_is_a_31_bit_integer(parts):
    assert 0 <= seed_from(*parts) < 2**31
    assert seed_from(*parts) == seed_from(*parts)


def test_a_seed_depends_on_every_part():
    seeds = {seed_from(seed, name, number) for seed in range(20) for name in ("test", "validation") for number in range(20)}
    assert len(seeds) == 800


def test_check_writable_creates_the_folder_and_leaves_it_empty(tmp_path):
    check_writable(tmp_path / "new" / "folder", "--out")
    assert list((tmp_path / "new" / "folder").iterdir()) == []
    check_writable(tmp_path / "new" / "folder", "--out")


def test_check_writable_refuses_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(ConfigError, match=f"--out {out}: cannot write there: "):
            check_writable(out, "--out")
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_check_writable_refuses_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="cannot write there: Permission denied"):
        check_writable(tmp_path, "--out")
    tmp_path.chmod(0o700)
