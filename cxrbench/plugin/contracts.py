"""What the factories of a plugin receive and must return."""

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
    """One image of a dataset: what is known of it besides its pixels.

    Attributes:
        key: unique within the dataset, relative and stable (a relative path, say).
        label: 1 for the positive class (pneumonia, usually), 0 for the negative one.
        patient: whose image it is; `key` itself where nobody knows.
        split: the part of the source's own split that it belongs to, if the source has one.
        view, age, sex, site, source: what is known besides, as text; `source` is the collection that an image was taken from.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What a dataset factory returns.

    Attributes:
        name: a short name for folders and tables.
        records: one per image, in a stable order.
        read: picklable; the image of a key as a file, as the bytes of an encoded file, or as pixels
            (uint8 ``[H, W]`` grey or ``[H, W, 3]``). The harness decodes, resizes and caches.
        warnings: what a user should know about these images.
        class_names: what labels 0 and 1 are called.
    """

    name: str
    records: Sequence[Record]
    read: Callable[[str], Path | bytes | NDArray[np.uint8]]
    warnings: tuple[str, ...] = ()
    class_names: ClassNames = ClassNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that can be fetched: checked while it comes, moved into place only when whole.

    Attributes:
        url: where it is, ``https:...``; ``file:...`` for one that the user brings, which must be there already.
        file_name: what it is called on disk.
        digest: ``"md5:..."`` or ``"sha256:..."``; empty where the publisher gives none: it is fetched in one piece, then, and
            its SHA-256 is told.
        folder: where it belongs; None for the harness's own folder of downloads.
    """

    url: str
    file_name: str
    digest: str = ""
    folder: Path | None = None


class ImageFunction(Protocol):
    """A backbone or an augmentation: a headless `keras.Model`, a `keras.Layer`, or any callable.

    A backbone maps float32 ``[B, H, W, 3]`` in 0..255 to float32 ``[B, D]``, each row from its own image alone, and carries its
    own preprocessing. An augmentation maps float32 ``[B, H, W, 1]`` in 0..255 to the same shape and range; it is called with
    ``training=True``.
    """

    def __call__(self, images: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Map a batch of images."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """The training rows that an imbalance strategy gets: copies, and nothing else.

    Attributes:
        labels: int ``[n]``, 0 or 1.
        features: float32 ``[n, D]`` of the clean views; None unless the spec says ``needs_features``.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an imbalance strategy decides; the harness applies it to the training fold.

    Attributes:
        indices: int ``[m]``, the rows of the fold to train on, repeated at will; None for all of them once.
        synthetic: (float32 ``[s, D]``, int ``[s]``), rows to train on besides, made from the fold's own rows.
        sample_weight: float ``[m + s]``, for the indices and then the synthetic rows; None for ones.
        loss: the training loss, from this closed list.
    """

    indices: NDArray[np.int64] | None = None
    synthetic: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None
    sample_weight: NDArray[np.float64] | None = None
    loss: CrossEntropy | Focal = field(default_factory=CrossEntropy)


State = Literal["complete", "pruned", "failed"]
Failure = Literal["oom", "nan", "timeout", "plugin_error", "data_error", "killed", "unavailable"]
"""What went wrong, from this closed list: memory, numbers that are not finite, time, a plugin's own fault, unfit data, a worker
that died, something that cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One finished trial: what was tried and what came of it.

    Attributes:
        number: its place in the study, from 0.
        params: every searched parameter and the threshold.
        state: complete; or pruned, that is given up at a cut-off of earlier trials; or failed, with a `reason`.
        value: the metric of the protocol on the validation fold at the best epoch; None unless it is complete.
        losses: validation cross-entropy per epoch trained.
        seconds: wall time of the training.
        failure: if it failed, what sort of failure that was.
        reason: if it failed, why, in one line.
        log: if it failed, the last lines of what was printed meanwhile.
        batch_size: rows per optimizer step, where memory allowed fewer than the protocol says.
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
    """What an engine factory returns."""

    def propose(self, number: int, finished: Sequence[Trial]) -> Mapping[str, Value]:
        """Return a value inside the space for every parameter of trial `number` whose conditions hold.

        Must be a pure function: the same seed, number and finished trials give the same proposal, in any process. `finished`
        holds the trials of all earlier generations, sorted by number; only complete ones have a value.
        """
        ...
