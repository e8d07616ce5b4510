"""Credentialed images and their patients have pseudonyms that depend on a secret of the user's, which is made once."""

from __future__ import annotations

import hmac
import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.data.pseudonyms import pseudonyms, user_secret, with_pseudonyms
from cxrbench.errors import ConfigError, DataError
from cxrbench.plugin import Images, Record


@pytest.fixture
def images():
    records = [
        Record(key="files/p10/p10000032/s50414267/02aa804e.jpg", label=1, patient="p10000032"),
        Record(key="files/p10/p10000032/s50414268/174413ec.jpg", label=0, patient="p10000032"),
        Record(key="alone.png", label=0, patient="alone.png"),
    ]
    warnings = ("02aa804e.jpg is listed twice (patient p10000032), 174413ec: dark", "2 of 3 images are dark")
    return Images(name="m", records=records, read=str.encode, warnings=warnings, licence_class="credentialed")


def test_nothing_names_an_image_or_a_patient(images):
    found = with_pseudonyms(images, b"secret")
    shown = repr((found.records, found.warnings))
    assert not any(name in shown for name in ("p10000032", "02aa804e", "174413ec", "s50414267", "alone"))
    assert "2 of 3 images are dark" in found.warnings
    first, second, third = found.records
    assert first.patient == second.patient != first.key
    assert third.key == third.patient
    assert [one.label for one in found.records] == [1, 0, 0]


def test_all_else_that_is_known_of_an_image_stays(images):
    known = {each.name: (("device", "CR"),) if each.name == "columns" else "PA" for each in fields(Record)}
    record = Record(**{**known, "label": 1, "split": "test"})
    (found,) = with_pseudonyms(replace(images, records=[record]), b"secret").records
    assert replace(found, key=record.key, patient=record.patient) == record


def test_the_image_behind_a_pseudonym_is_read(images):
    found = pickle.loads(pickle.dumps(with_pseudonyms(images, b"secret")))
    assert [found.read(one.key) for one in found.records] == [one.key.encode() for one in images.records]


def raises_with_name(key):
    raise ValueError(key)


def test_an_error_of_the_reader_is_told_without_its_message(images):
    broken = with_pseudonyms(Images(name="m", records=images.records, read=raises_with_name), b"secret")
    with pytest.raises(DataError, match="failed with ValueError") as caught:
        broken.read(broken.records[0].key)
    assert "p10000032" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text(), st.text(), st.binary(min_size=1), st.binary(min_size=1))
def test_equal_names_and_secrets_alone_give_equal_pseudonyms(text, other, secret, other_secret):
    first, second, again = pseudonyms([text, other, text], secret)
    assert (first == second) == (text == other)
    assert first == again == hmac.digest(secret, text.encode(), "sha256").hex()[:32]
    if secret.rstrip(b"\0") != other_secret.rstrip(b"\0"):  # HMAC pads a key with zero bytes
        assert [first] != list(pseudonyms([text], other_secret))


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("CXRBENCH_SECRET_FILE", str(tmp_path / "new" / "secret"))
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: user_secret(), range(8)))
    assert len(found) == 1
    assert len(found.pop()) == 64
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret"]


def test_an_empty_secret_and_one_that_cannot_be_kept_are_refused(tmp_path, monkeypatch):
    (tmp_path / "secret").touch()
    for path, said in ((tmp_path / "secret", "is empty"), (tmp_path / "secret" / "below", "cannot be kept there")):
        monkeypatch.setenv("CXRBENCH_SECRET_FILE", str(path))
        with pytest.raises(ConfigError, match=said):
            user_secret()
