from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxrbench_datasets.kermany import find_patient

NUMBERS = st.integers(0, 10**7)
NAMES = {
    "bacteria": "person{0}_bacteria_{1}.jpeg",
    "virus": "person{0}_virus_{1}.jpeg",
    "IM": "IM-{0:04}-{1:04}.jpeg",
    "NORMAL2-IM": "NORMAL2-IM-{0:04}-{1:04}.jpeg",
    "NORMAL": "NORMAL-{0}-{1:04}.jpeg",
    "BACTERIA": "BACTERIA-{0}-{1:04}.jpeg",
    "VIRUS": "VIRUS-{0}-{1:04}.jpeg",
}
KINDS = st.sampled_from(sorted(NAMES))
PATIENTS = st.tuples(KINDS, st.integers(0, 3))


@pytest.mark.parametrize(
    ("name", "patient", "merged"),
    [
        ("person23_bacteria_77.jpeg", "bacteria-23", "person-23"),
        ("person1000_virus_1681_2.jpeg", "virus-1000", "person-1000"),
        ("IM-0115-0001.jpeg", "IM-115", "IM-115"),
        ("IM-0115-0001-0002.jpeg", "IM-115", "IM-115"),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-115", "IM-115"),
        ("BACTERIA-1008087-0001.jpeg", "BACTERIA-1008087", "patient-1008087"),
        ("NORMAL-1003233-0001.jpeg", "NORMAL-1003233", "patient-1003233"),
        ("person23_bacteria_77 (1).png", "bacteria-23", "person-23"),
    ],
)
def test_names_of_the_collection_tell_the_patient(name, patient, merged):
    assert find_patient(name) == patient
    assert find_patient(name, merged=True) == merged


@pytest.mark.parametrize(
    "name",
    ["image.png", "person_bacteria_1.jpeg", "person1_covid_2.jpeg", "xperson1_virus_2.jpeg", "IM-0115.jpeg", "IM-a-1.png", ""],
)
def test_other_names_tell_nothing(name):
    assert find_patient(name) is None
    assert find_patient(name, merged=True) is None


@given(PATIENTS, PATIENTS, NUMBERS, NUMBERS)
def test_images_share_a_patient_if_kind_and_number_agree(patient, other, image, other_image):
    (kind, number), (other_kind, other_number) = patient, other
    found = find_patient(NAMES[kind].format(number, image))
    assert (found == find_patient(NAMES[other_kind].format(other_number, other_image))) == (patient == other)


@given(KINDS, NUMBERS, NUMBERS, NUMBERS)
def test_merging_never_parts_one_patient(kind, number, image, other_image):
    names = [NAMES[kind].format(number, image), NAMES[kind].format(number, other_image)]
    assert len({find_patient(name, merged=True) for name in names}) == 1


@given(st.text())
def test_any_text_is_answered(name):
    assert find_patient(name) is None or find_patient(name, merged=True) is not None


def test_the_real_collection_has_its_known_numbers_of_patients(real_images):
    pneumonia = {find_patient(image.name) for image in (real_images / "train" / "PNEUMONIA").iterdir()}
    normal = {find_patient(image.name) for image in (real_images / "train" / "NORMAL").iterdir()}
    assert (len(pneumonia), len(normal)) == (2443, 1211)
    assert None not in pneumonia | normal
    assert not pneumonia & normal
