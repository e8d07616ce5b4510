from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections import Counter, defaultdict
from hashlib import sha256

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrbench.plugin import ConfigError, DataError
from cxrbench_datasets.phantom import load
from cxrbench_datasets.phantom.drawing import draw_attenuation, draw_image
from cxrbench_datasets.phantom.patients import PhantomImage, list_images

GENERATOR_SEEDS = range(10)


def frame_of(image):
    """Average an image of 64 or 224 pixels down to 32 and keep the outer three pixels."""
    step = len(image) // 32
    small = image.reshape(32, step, 32, step).mean((1, 3))
    frame = np.ones((32, 32), bool)
    frame[3:-3, 3:-3] = False
    return small[frame]


def grouped_auc(features, labels, patients):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(features, labels, patients)
    scores = [
        roc_auc_score(labels[test], model.fit(features[train], labels[train]).decision_function(features[test]))
        for train, test in folds
    ]
    return np.mean(scores)


def with_opacity(count):
    return [image for image in list_images(600, 0) if image.label][:count]


def without_opacity(image):
    return PhantomImage(patient=image.patient, number=image.number, label=0)


def digest(images):
    return sha256(b"".join(images.read(record.key).tobytes() for record in images.records[:6])).hexdigest()


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_600_images_are_450_of_pneumonia_and_150_normal(seed):
    assert Counter(record.label for record in load(seed=seed).records) == {1: 450, 0: 150}


def test_the_name_says_synthetic():
    assert load().name == "phantom-synthetic"


def test_keys_are_unique():
    keys = [record.key for record in load().records]
    assert len(set(keys)) == len(keys) == 600


def test_a_patient_has_one_to_three_images_and_one_label():
    labels = defaultdict(list)
    for record in load().records:
        labels[record.patient].append(record.label)
    assert {len(of_one) for of_one in labels.values()} == {1, 2, 3}
    assert all(len(set(of_one)) == 1 for of_one in labels.values())


def test_both_labels_have_patients_of_1_2_and_3_images_alike():
    counts, label_of = Counter(record.patient for record in load().records), {}
    label_of.update((record.patient, record.label) for record in load().records)
    shares = Counter((label_of[patient], count) for patient, count in counts.items())
    assert shares == {(0, 1): 25, (0, 2): 25, (0, 3): 25, (1, 1): 75, (1, 2): 75, (1, 3): 75}


def test_names_and_order_do_not_tell_the_label():
    aucs = []
    for seed in GENERATOR_SEEDS:
        records = load(seed=seed).records
        number = [int(re.search(r"\d+", record.patient).group()) for record in records]
        aucs.append(roc_auc_score([record.label for record in records], number))
        assert number == sorted(number)
        assert all(record.split is None for record in records)
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.025)


def test_fewer_images_are_the_first_of_more():
    few, many = load(images=61, size=32), load(images=600, size=32)
    assert list(few.records) == list(many.records[:61])
    key = few.records[60].key
    assert np.array_equal(few.read(key), many.read(key))


@pytest.mark.parametrize("size", [32, 65, 224, 300])
def test_an_image_is_grey_bytes_of_the_asked_size(size):
    images = load(size=size)
    image = images.read(images.records[0].key)
    assert image.dtype == np.uint8
    assert image.shape == (size, size)
    assert image.std() > 20


def test_a_pickled_reader_gives_the_same_bytes():
    images = load(size=64)
    read = pickle.loads(pickle.dumps(images.read))
    for record in images.records[:8]:
        assert read(record.key).tobytes() == images.read(record.key).tobytes()


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    program = (
        "from hashlib import sha256\n"
        "from cxrbench_datasets.phantom import load\n"
        "images = load(seed=3)\n"
        "print(sha256(b''.join(images.read(r.key).tobytes() for r in images.records[:6])).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest(load(seed=3))


def test_the_order_of_reading_does_not_matter():
    images = load(size=64)
    first = images.read(images.records[0].key)
    images.read(images.records[5].key)
    assert np.array_equal(first, images.read(images.records[0].key))


def test_another_seed_gives_other_images():
    assert digest(load(seed=0, size=64)) != digest(load(seed=1, size=64))


def test_images_of_one_patient_differ():
    images = load(size=64)
    twice = [record.key for record in images.records if record.patient == "patient-0001"]
    every = [images.read(key).tobytes() for key in twice]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("size", [64, 224])
def test_an_opacity_leaves_the_outer_tenth_as_it_is(size):
    frame = np.ones((size, size), bool)
    margin = round(size * 3 / 32)
    frame[margin:-margin, margin:-margin] = False
    for image in with_opacity(40):
        changed = draw_image(image, 0, size) != draw_image(without_opacity(image), 0, size)
        assert not (changed & frame).any()


def test_an_opacity_lies_in_the_lungs_and_only_adds():
    from cxrbench_datasets.phantom.anatomy import sample_anatomy
    from cxrbench_datasets.phantom.chest import outline_lungs
    from cxrbench_datasets.phantom.exposure import sample_position
    from cxrbench_datasets.phantom.shapes import place
    from cxrbench_datasets.phantom.streams import stream

    for image in with_opacity(40):
        body = place(112, sample_position(stream(0, "position", image.patient, image.number)))
        lungs = outline_lungs(body, sample_anatomy(stream(0, "anatomy", image.patient)))
        added = draw_attenuation(image, 0, 112) - draw_attenuation(without_opacity(image), 0, 112)
        assert added.min() >= 0
        assert added.max() > 0.005
        assert not added[lungs.both == 0].any()


@pytest.mark.slow
def test_the_border_does_not_tell_the_label(long):
    """Size 64 has the border of size 224 but for the grain, and is drawn three times as fast."""
    aucs = []
    for seed in GENERATOR_SEEDS if long else GENERATOR_SEEDS[:2]:
        images = load(seed=seed, size=64)
        frames = np.array([frame_of(images.read(record.key)) for record in images.records])
        labels = np.array([record.label for record in images.records])
        aucs.append(grouped_auc(frames, labels, [record.patient for record in images.records]))
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.025), aucs


def test_a_source_is_refused():
    with pytest.raises(ConfigError, match="drawn and takes no source, got 'images/'"):
        load("images/")


@pytest.mark.parametrize(
    "options", [{"images": 59}, {"images": 60.5}, {"size": 31}, {"size": 1025}, {"seed": -1}, {"seed": True}, {"size": "big"}]
)
def test_an_option_out_of_range_is_refused_by_name(options):
    [(name, value)] = options.items()
    with pytest.raises(ConfigError, match=f"phantom:{name}={value}: {name} must be an integer from"):
        load(**options)


def test_an_unknown_key_is_refused():
    with pytest.raises(DataError, match="no image 'nobody'"):
        load().read("nobody")
