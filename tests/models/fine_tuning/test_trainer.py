"""Training starts from the head, never ends worse than it, and continues where it was killed, bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

SETTING = {"learning_rate": 3e-3, "layer_decay": 0.3, "dropout": 0.2, "weight_decay": 1e-2, "seed": 5}


@pytest.fixture
def train(training):
    """Return a function that trains with changed settings or data."""
    from cxrbench.models.fine_tuning.trainer import Setting, fine_tune

    def run(epochs=4, patience=4, data=None, **setting):
        configuration = replace(training.configuration, epochs=epochs, patience=patience)
        changed = replace(training, configuration=configuration, data=replace(training.data, **(data or {})))
        return fine_tune(changed, Setting(**{**SETTING, **setting}))

    return run


def content(progress):
    return b"".join(np.asarray(one).tobytes() for one in (*progress.best_weights, *progress.state, progress.best_logits))


def test_it_starts_from_the_head_and_learns(train, training):
    done = train()
    network, labels = training.network, training.data.validation[1]
    logits = network.logits(training.start, training.data.pixels.gather(training.data.validation[0]))
    assert done.losses[0] == pytest.approx(np.mean(np.logaddexp(0, logits) - labels * logits), abs=1e-9)
    assert len(done.losses) == 5
    assert done.losses[done.best] == min(done.losses) < done.losses[0]
    found = network.logits(done.best_weights, training.data.pixels.gather(training.data.validation[0]))
    assert found == pytest.approx(done.best_logits, abs=1e-6)


def test_a_finished_training_keeps_no_more_than_its_best_epoch(train, training):
    done = train()
    assert done.seconds > 0
    weights = sum(one.nbytes for one in training.start)
    assert training.checkpoint.stat().st_size < 1.5 * weights + 10_000
    assert train().seconds == done.seconds


def test_statistics_of_normalisation_stay_bit_equal(train, training):
    before = [one.numpy().copy() for one in training.network.training.non_trainable_variables]
    train(dropout=0.2)
    after = [one.numpy().copy() for one in training.network.training.non_trainable_variables]
    assert len(before) > 8
    differ = [
        one.path
        for one, old, new in zip(training.network.training.non_trainable_variables, before, after, strict=True)
        if not np.array_equal(old, new)
    ]
    assert all(path.endswith("rate") for path in differ)


def test_a_harmful_rate_leaves_the_head(train):
    done = train(learning_rate=1e6)
    assert done.best == 0
    assert done.losses[0] == min(loss for loss in done.losses if np.isfinite(loss))


def test_patience_ends_a_training(train):
    assert len(train(epochs=9, patience=2, learning_rate=1e6).losses) <= 3


def test_an_interrupted_training_continues_bit_by_bit(train, training, monkeypatch):
    from cxrbench.models.fine_tuning import trainer

    whole = content(train())
    training.checkpoint.unlink()
    trained = []
    take_epoch = trainer._train_epoch

    def interrupted(*arguments):
        trained.append(arguments[2])
        take_epoch(*arguments)
        if arguments[2] == 3 and trained.count(3) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_train_epoch", interrupted)
    monkeypatch.setattr(trainer.time, "perf_counter", iter(range(100)).__next__)  # so that each epoch takes a second
    with pytest.raises(KeyboardInterrupt):
        train()
    assert content(train()) == whole
    assert trained == [1, 2, 3, 3, 4]
    done = train()
    assert content(done) == whole
    assert trained == [1, 2, 3, 3, 4]
    assert done.seconds == 4


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_or_other_checkpoint_is_not_used(train, training, damage):
    whole = content(train())
    if damage == "cut":
        training.checkpoint.write_bytes(training.checkpoint.read_bytes()[:-100])
    else:
        train(seed=6)
    assert content(train()) == whole


def test_seed_weights_and_decay_change_what_is_learnt(train, training):
    found = {"plain": content(train())}
    changes = {"seed": 7, "layer_decay": 1.0, "weight_decay": 0.0, "dropout": 0.0}
    found |= {name: content(train(**{name: value})) for name, value in changes.items()}
    weights = np.where(np.arange(43) % 2, 3, 1).astype(np.float32)
    found["weights"] = content(train(data={"weights": weights}))
    assert len(set(found.values())) == len(found)


def test_augmentation_is_drawn_anew_for_each_epoch(train, training):
    seen = []

    class Part:
        def build(self, *, input_shape, seed):
            assert input_shape == (16, 16, 1)

            def augment(images, *, training):
                assert images.shape == (8, 16, 16, 1)
                assert training
                seen.append((seed, images.min()))
                return images + 1000

            return augment

    train(epochs=2, data={"augmentation": Part()})
    seeds = [seed for seed, _ in seen]
    assert len(seeds) == 2 * 6
    assert len(set(seeds)) == 2


def test_a_third_of_the_images_is_not_augmented(training):
    from cxrbench.models.fine_tuning.trainer import ImageRows

    class Black:
        def build(self, *, input_shape, seed):
            return lambda images, *, training: images * 0

    rows = np.tile(training.data.rows, 20)
    one = training.data.labels[:1]
    data = ImageRows(
        pixels=training.data.pixels,
        rows=rows,
        labels=one,
        weights=one,
        validation=training.data.validation,
        followed=training.data.followed,
        augmentation=Black(),
    )
    images = data.inputs(seed=3, epoch=1, batch=8)(np.arange(len(rows)))
    clean = images.reshape(len(images), -1).any(axis=1)
    assert 0.28 < clean.mean() < 0.39
    assert np.array_equal(images[clean][..., 0], training.data.pixels.gather(rows)[clean])
    assert not np.array_equal(clean, data.inputs(seed=3, epoch=2, batch=8)(np.arange(len(rows))).any(axis=(1, 2, 3)))
