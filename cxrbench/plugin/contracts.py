"""The arguments and return values of plugin factories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cxrbench.plugin.specs import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """The names of a dataset's two classes.

    Attributes:
        negative: name of the class with label 0.
        positive: name of the class with label 1.
    """

    negative: str = "NORMAL"
    positive: str = "PNEUMONIA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The metadata of one image.

    Attributes:
        key: unique within the dataset and the same on every machine, such as a relative path.
        label: 1 for the positive class, 0 for the negative class.
        patient: the patient's ID, or `key` if it is unknown.
        split: the part of the source's own split, or None if it has none.
        view, age, sex, site, source: further metadata as text; `source` is the collection that the image comes from.
        columns: name and value of all else that is known of the image, such as its machine. ``--split left-out:by=COLUMN``
            can use it; nothing else does.
    """

    key: str
    label: Literal[0, 1]
    patient: str
    split: Literal["train", "val", "test"] | None = None
    view: str | None = None
    age: str | None = None
    sex: str | None = None
    site: str | None = None
    source: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


LicenceClass = Literal["undeclared", "open", "agreement", "credentialed"]
"""Whom the licence of images allows to see them: anybody (``open``); those who accepted an agreement, such as CheXpert's
(``agreement``); those who were admitted one by one, such as to PhysioNet (``credentialed``); or it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The return value of a dataset factory.

    Attributes:
        name: a short name for folders and tables.
        records: one record per image, always in the same order.
        read: a picklable function from a key to its image: a path, the bytes of an encoded file, or pixels
            (uint8 ``[H, W]`` grey or ``[H, W, 3]``). The harness decodes, resizes and caches.
        warnings: warnings about these images for the user.
        class_names: the names of labels 0 and 1.
        licence_class: what the licence of the images allows. No page shows images that are not ``open`` unless the user answers
            for it.
        collection: the public collection that all images are from, such as ``nih``; else ``source`` of each record tells. Two
            data sets of collections that share images, and weights that learnt from one of them, are warned of.
        leaks: reasons why no split can keep the images of a patient on one side, each with what to do about it. A run ends with
            exit code 3 unless the user passes ``--allow-leak``, which marks every row. As an external test set, the images
            may be used.
    """

    name: str
    records: Sequence[Record]
    read: Callable[[str], Path | bytes | NDArray[np.uint8]]
    warnings: tuple[str, ...] = ()
    class_names: ClassNames = ClassNames()
    licence_class: LicenceClass = "undeclared"
    collection: str = ""
    leaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that the harness can download, or that the user provides. Its bytes are part of what results depend on.

    Attributes:
        url: ``https:...``, or ``file:...`` (as ``Path.as_uri()`` writes it) for a file of the user's that must exist.
        file_name: name of the file on disk.
        digest: ``"md5:..."`` or ``"sha256:..."``, verified before a download is moved into place. If the publisher gives none,
            leave it empty: the download then cannot be resumed, and its SHA-256 is reported.
        folder: folder of the file, or None for the harness's download folder.
        origin: where that is, in a few words for entries and messages, such as "bundled with PACKAGE".
    """

    url: str
    file_name: str
    digest: str = ""
    folder: Path | None = None
    origin: str = ""


class ImageFunction(Protocol):
    """A backbone or an augmentation: a headless `keras.Model`, a `keras.Layer`, or any callable.

    A backbone maps float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``. Each row depends on its own image only. It does
    its own preprocessing. An augmentation maps float32 ``[B, H, W, 1]`` in 0..255 to the same shape and range. It is called
    with ``training=True``.
    """

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Map a batch of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Copies of the training rows, for an imbalance strategy.

    Attributes:
        labels: int ``[n]``, 0 or 1.
        features: float32 ``[n, D]`` of the images without augmentation; None unless the spec sets ``needs_features``.
    """

    labels: NDArray[np.int64]
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEntropy:
    """The default training loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Focal:
    """Cross-entropy times ``(1 - p_true) ** gamma`` (Lin et al., ICCV 2017, arXiv 1708.02002, equation 4)."""

    gamma: float = 2.0


Loss = CrossEntropy | Focal
"""The training losses; models/training/losses.py computes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The decision of an imbalance strategy. The harness applies it to the training fold.

    Attributes:
        indices: int ``[m]``, the rows of the fold to train on, with repetition allowed; None for every row once.
        synthetic: (float32 ``[s, D]``, int ``[s]``), additional features and labels, made from the rows of the fold.
        sample_weight: float ``[m + s]``, weights of the indexed rows and then the synthetic rows; None for weights of 1.
        loss: the training loss.
        note: a warning that belongs to every result of this decision, such as why nothing was balanced, or an empty string.
    """

    indices: NDArray[np.int64] | None = None
    synthetic: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None
    sample_weight: NDArray[np.float64] | None = None
    loss: Loss = field(default_factory=CrossEntropy)
    note: str = ""


State = Literal["complete", "pruned", "failed"]
Failure = Literal["oom", "nan", "timeout", "plugin_error", "data_error", "killed", "unavailable"]
"""Kinds of failures, in this order: out of memory, result not finite, time limit exceeded, error in a plugin, unusable data,
worker died, file not available."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One finished trial.

    Attributes:
        number: number of the trial in its study, from 0.
        params: every searched parameter and the threshold.
        state: complete; pruned at a cut-off from earlier trials; or failed.
        value: the protocol's metric on the validation fold at the best epoch; None unless the trial is complete.
        losses: validation cross-entropy of each epoch.
        seconds: wall time of the training.
        failure: kind of the failure, or None.
        reason: failure reason in one line, or an empty string.
        log: the last lines that a failed trial printed.
        batch_size: rows per optimizer step if the protocol's batch size did not fit in memory; else None.
    """

    number: int
    params: Mapping[str, Value]
    state: State
    value: float | None = None
    losses: tuple[float, ...] = ()
    seconds: float = 0.0
    failure: Failure | None = None
    reason: str = ""
    log: tuple[str, ...] = ()
    batch_size: int | None = None


class Proposer(Protocol):
    """The return value of an engine factory."""

    def propose(self, number: int, finished: Sequence[Trial]) -> Mapping[str, Value]:
        """Return the parameters of trial `number`: a valid value for each parameter whose conditions hold.

        This must be a pure function: the same seed, number and finished trials give the same result in any process. It must
        not depend on `seconds`, `log` or `batch_size` of a trial, which are others on another machine.

        Args:
            number: number of the trial.
            finished: trials of all earlier generations, sorted by number. Only complete trials have a value.
        """
