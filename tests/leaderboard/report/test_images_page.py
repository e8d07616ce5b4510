"""The page of test images with saliency maps: one file that holds its images and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from cxrbench.leaderboard.report.images_page import images_as_html, strongest_place
from cxrbench.leaderboard.store.entry import ClassLabels

HOSTILE = (
    "</style><script>alert(1)</script>",
    '" onerror="alert(1)',
    "{{ 7 * 7 }}",
    "\u202egnp.exe\u2066",
    "\x1b[2J\x00",
    "w" * 900,
)


def words_of(element):
    return " ".join(" ".join(element.itertext()).split())


@pytest.fixture(scope="module")
def images_page(as_page):
    """Return the page of a gallery, as a parser sees it."""
    return lambda gallery: as_page(images_as_html(gallery))


@pytest.fixture(scope="module")
def page(images_page, make_gallery):
    return images_page(make_gallery())


def pictures(page):
    """Return the decoded pixels of each image of the page."""
    encoded = [one.get("src").partition("data:image/jpeg;base64,")[2] for one in page.all("img")]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB"), dtype=int) for one in encoded]


def test_equal_galleries_give_equal_bytes(make_gallery, page):
    assert images_as_html(make_gallery()) == page.text


def test_each_image_is_shown_bare_and_under_its_map(make_gallery, page):
    shown = [image for group in make_gallery().groups for image in group.images]
    bare, overlaid = pictures(page)[::2], pictures(page)[1::2]
    assert len(bare) == len(overlaid) == len(shown) == 3
    for image, plain, coloured in zip(shown, bare, overlaid, strict=True):
        assert plain.shape == coloured.shape == (32, 32, 3)
        assert abs(plain - image.pixels[..., None]).mean() < 12  # JPEG
        red_less_blue = coloured[..., 0] - coloured[..., 2]
        assert red_less_blue[:10, :10].mean() > 15
        assert red_less_blue[-10:, -10:].mean() < -60


def test_what_is_said_of_an_image_is_what_is_known(page):
    first, second, _ = [words_of(one) for one in page.all("figcaption")]
    assert first == (
        "True positive 1: score 0.9877 PNEUMONIA, called PNEUMONIA (threshold 0.4375) by the model of fold 0. The strongest "
        "place, lower right of the image, speaks for NORMAL; 25 % of the map lies in the outer frame. ward/0001.png"
    )
    assert second.startswith(
        "False positive 1: score 0.9000 NORMAL, called PNEUMONIA (threshold 0.4375) by the model of fold 1."
    )
    assert "The 1 surest of 1,234." in page.words
    assert "No test image had this outcome." in page.words
    assert "The model learnt from an image equal to each of these." in page.words
    assert "Seeds: They agree." in words_of(page.one("div", role="note"))
    assert page.one("a", href="index.html").text == "Back to the leaderboard"


def test_every_image_has_an_alternative_text(page):
    texts = [one.get("alt") for one in page.all("img")]
    assert texts[0] == "True positive 1: an image of class PNEUMONIA"
    assert texts[1].endswith(
        "the strongest place, lower right of the image, speaks for NORMAL; 25 % of the map lies in the outer frame"
    )
    assert len(set(texts[::2])) == 3


def test_nothing_is_requested(page):
    policy = page.one("meta", http_equiv="Content-Security-Policy").get("content")
    digest = base64.b64encode(hashlib.sha256(page.one("style").text.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.endswith("; img-src data:")
    assert page.all("script") == []
    for element in page.root.iter():
        assert not set(element.keys()) & {"srcset", "style", "action", "data", "poster", "background"}
        assert (element.get("src") or "data:image/jpeg;").startswith("data:image/jpeg;")
        assert (element.get("href") or "#").startswith("#") or element.get("href") == "index.html"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_text(images_page, make_gallery, text):
    names = ClassLabels(positive=text.replace("\x00", ""))
    page = images_page(make_gallery(key=text, recipe=text, dataset=text, notice=text, class_names=names, warnings=(text,)))
    assert len(page.all("img")) == 6
    assert (len(page.all("script")), len(page.all("style"))) == (0, 1)
    assert not [name for one in page.root.iter() for name in one.keys() if name.startswith("on")]  # noqa: SIM118
    assert not {char for char in page.text if not char.isprintable() and char != "\n"}
    visible = text.encode("unicode_escape").decode() if not text.isprintable() else text
    assert visible in words_of(page.all("figcaption")[0])


@pytest.mark.parametrize("licence_class", ["undeclared", "agreement", "credentialed"])
def test_a_page_of_images_that_are_not_open_says_so(images_page, make_gallery, page, licence_class):
    said = f"Do not pass this page on. The licence class of these images is {licence_class}"
    assert said in words_of(images_page(make_gallery(licence_class=licence_class)).one("div", role="note"))
    assert "Do not pass this page on" not in page.words


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (np.eye(7)[:, ::-1] * np.arange(7)[:, None], "lower left of the image, speaks for PNEUMONIA"),
        (-np.pad([[1.0]], 3), "middle centre of the image, speaks for NORMAL"),
        (np.array([[1.0]]), "middle centre of the image, speaks for PNEUMONIA"),
        (np.zeros((7, 7)), "no place speaks for either class"),
    ],
)
def test_the_strongest_place_is_named(values, place):
    assert strongest_place(values, ClassLabels()).endswith(place)
