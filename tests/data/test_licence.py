"""Whether images may be shown."""

from __future__ import annotations

from typing import get_args

import pytest

from cxrbench.data.licence import WHY, require_no_agreement, require_showable, strictest
from cxrbench.errors import ConfigError
from cxrbench.plugin.contracts import LicenceClass

CLOSED = {
    "undeclared": "no licence class is declared for them.*folder:source=PATH,licence=open",
    "agreement": "only those who accepted the agreement",
    "credentialed": "only people who were admitted one by one",
}


def test_every_class_but_open_has_a_reason():
    assert {*get_args(LicenceClass)} == {*WHY, "open"} == {*CLOSED, "open"}


@pytest.mark.parametrize(("licence_class", "reason"), CLOSED.items())
def test_images_that_are_not_open_are_refused_with_the_reason(licence_class, reason):
    with pytest.raises(ConfigError, match=f"--gallery shows no image of ward: {reason}.*--i-may-show-images") as refused:
        require_showable("ward", licence_class, may_show=False)
    assert refused.value.exit_code == 2
    require_showable("ward", licence_class, may_show=True)


def test_open_images_are_shown():
    require_showable("ward", "open", may_show=False)


@pytest.mark.parametrize("licence_class", ["agreement", "credentialed"])
def test_a_file_of_the_users_own_shows_no_restricted_images(licence_class):
    with pytest.raises(ConfigError, match=f"--sheet shows no image of ward: {CLOSED[licence_class]}.*--i-may-show-images"):
        require_no_agreement("--sheet", "ward", licence_class, may_show=False)
    require_no_agreement("--sheet", "ward", licence_class, may_show=True)


@pytest.mark.parametrize("licence_class", ["open", "undeclared"])
def test_a_file_of_the_users_own_shows_other_images(licence_class):
    require_no_agreement("--sheet", "ward", licence_class, may_show=False)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (("undeclared", "undeclared"), "undeclared"),
        (("undeclared", "open"), "open"),
        (("agreement", "open"), "agreement"),
        (("open", "credentialed"), "credentialed"),
        (("credentialed", "undeclared"), "credentialed"),
    ],
)
def test_of_two_declarations_the_stricter_counts(declared, expected):
    assert strictest(*declared) == strictest(*reversed(declared)) == expected
