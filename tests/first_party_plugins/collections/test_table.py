from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench.plugin import DataError
from cxrbench_collections.ages import age_between, age_in_years
from cxrbench_collections.sexes import sex_of
from cxrbench_collections.table import find_tables, header_of, read_rows, require_table
from cxrbench_collections.views import wanted_views


def rows(path, *columns):
    return list(read_rows(path, columns))


def test_columns_are_found_by_name_in_any_order(write, tmp_path):
    table = write(tmp_path / "t.csv", "b,a,c", "2,1,3", '"4,5",,6')
    assert rows(table, "a", "b") == [("1", "2"), ("", "4,5")]


def test_names_with_commas_and_commas_at_the_end_shift_nothing(write, tmp_path):
    table = write(tmp_path / "t.csv", "a,Image[Width,Height],c,", "1,2,3,4,", "5,6,7,8")
    assert rows(table, "a", "c") == [("1", "4"), ("5", "8")]
    more = write(tmp_path / "more.csv", "a,b", "1,2,", "", "3,4")
    assert rows(more, "a", "b") == [("1", "2"), ("3", "4")]


def test_a_packed_table_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress("\ufeffa,b\r\n1,é\r\n".encode()))
    assert rows(path, "a", "b") == [("1", "é")]
    assert require_table(tmp_path, "t.csv") == path


def test_a_column_may_have_had_another_name(write, tmp_path):
    assert rows(write(tmp_path / "t.csv", "a,Patient Sex", "1,F"), "a", ("Patient Gender", "Patient Sex")) == [("1", "F")]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a,c", "1,2"], r"t\.csv: column 'b' is missing \(found: 'a', 'c'\)"),
        (["a,b,b", "1,2,3"], "column 'b' appears 2 times"),
        (["a,b", "1,2", "3"], r"line 3: 1 values for 2 columns"),
        (["a,b", "1,2,3"], r"line 2: 3 values for 2 columns"),
        ([""], "is empty"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(write, tmp_path, lines, words):
    with pytest.raises(DataError, match=words):
        rows(write(tmp_path / "t.csv", *lines), "a", "b")


@pytest.mark.parametrize("content", [b"a,b\n\xff,2\n", b""])
def test_what_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        rows(tmp_path / "t.csv", "a", "b")


@pytest.mark.parametrize("cut", [slice(None, -9), slice(3, None)])
def test_a_damaged_packed_table_is_refused(tmp_path, cut):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 99)[cut])
    with pytest.raises(DataError, match="use the published file"):
        rows(tmp_path / "t.csv.gz", "a", "b")


def test_tables_are_found_in_the_order_asked_for(write, tmp_path):
    second, first = write(tmp_path / "b.csv", "x,y"), write(tmp_path / "a.csv", "x,y")
    assert find_tables(tmp_path, "a.csv", "no.csv", "b.csv") == [first, second]
    assert find_tables(tmp_path / "none", "a.csv") == []
    assert header_of(first) == ("x", "y")
    with pytest.raises(DataError, match=r"neither c\.csv nor c\.csv\.gz"):
        require_table(tmp_path, "c.csv")


@pytest.mark.parametrize(
    ("text", "years"),
    [
        *(("058Y", "58"), ("58", "58"), ("58.0", "58"), ("0", "0"), ("006M", "0.5"), ("045D", "0.12"), ("003W", "0.06")),
        *(("45yrs", "45"), ("16month", "1.33"), ("64days", "0.18"), ("120", "120"), (" 7 ", "7")),
        *(
            ("121", None),
            ("414Y", None),
            ("155", None),
            ("", None),
            ("nan", None),
            ("5 lbs", None),
            ("-3", None),
            ("1e3", None),
        ),
    ],
)
def test_ages_become_years_and_impossible_ones_unknown(text, years):
    assert age_in_years(text) == years


@given(st.integers(0, 120))
def test_whole_years_stay_what_they_are(years):
    assert age_in_years(str(years)) == age_in_years(f"{years:03d}Y") == age_in_years(f"{years}.0") == str(years)


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [("1934", "20100228", "76"), ("1934.0", "20100228", "76"), ("", "20100228", ""), ("x", "y", "")],
)
def test_age_is_from_the_birth_to_the_image(birth, study, years):
    assert age_between(birth, study) == years


@pytest.mark.parametrize(
    ("text", "sex"),
    [("F", "F"), ("Female", "F"), ("femal", "F"), ("male", "M"), ("M", "M"), ("Unknown", None), ("", None), ("O", None)],
)
def test_sexes_are_letters(text, sex):
    assert sex_of(text) == sex


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("frontal", {"PA", "AP", "frontal"}),
        ("PA", {"PA"}),
        ("pa+Lateral", {"PA", "lateral"}),
        ("all", {"PA", "AP", "frontal", "lateral", "other", None}),
    ],
)
def test_views_are_chosen_by_words(text, views):
    assert wanted_views(text) == views
