"""Are exact maps what they say, and do they find opacities whose places are known? Figures for RESULTS.md.

First on real images: the map against Grad-CAM by TensorFlow's gradients, and its sum against the logit. Then on phantoms of
another seed than those that the model learnt from: the mass per pixel inside the opacities over that outside, for the trained
heads and for 20 random ones, and the same for the mirrored opacities.

    cxrbench run --data phantom:images=2000 --backbone mobilenet:alpha=0.25 --augmentation none --imbalance none \
        --no-controls --trials 30 --seeds 3 --out PHANTOM_OUT
    python benchmarks/saliency.py --out PHANTOM_OUT [--positives 200] [--inside 0.5]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxrbench.benchmark.explain.explain import single_heads
from cxrbench.cli.model_options import ModelOptions, open_named
from cxrbench.execution.progress import Progress
from cxrbench.models.saliency.cut import cut_backbone
from cxrbench.models.saliency.exact import constants
from cxrbench.models.saliency.grad_cam import grad_cam
from cxrbench.models.saliency.method import make_method
from cxrbench.models.saliency.randomised import random_heads
from cxrbench_datasets.phantom.anatomy import sample_anatomy
from cxrbench_datasets.phantom.chest import outline_lungs
from cxrbench_datasets.phantom.drawing import draw_image
from cxrbench_datasets.phantom.exposure import sample_position
from cxrbench_datasets.phantom.opacities import draw_opacity, sample_opacity
from cxrbench_datasets.phantom.patients import list_images
from cxrbench_datasets.phantom.shapes import place
from cxrbench_datasets.phantom.streams import stream
from cxrbench_datasets.sample import load_sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cxrbench.benchmark.model.model import Model
    from cxrbench.models.saliency.method import Method
    from cxrbench_datasets.phantom.patients import PhantomImage

SEED = 1
"""Of the phantoms that are explained; the model learnt from those of seed 0."""
SIZE = 224
REAL_IMAGES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """Mass per pixel inside over outside, pooled over images."""

    opacities: float
    mirrored: float


def opacity_of(image: PhantomImage, inside: float) -> NDArray[np.bool_]:
    """Return where the opacity of a phantom has at least this share of its largest attenuation, bool ``[224, 224]``."""
    numbers = image.patient, image.number
    body = place(SIZE, sample_position(stream(SEED, "position", *numbers)))
    lungs = outline_lungs(body, sample_anatomy(stream(SEED, "anatomy", image.patient)))
    opacity = sample_opacity(stream(SEED, "opacity", image.patient))
    drawn = draw_opacity(body, lungs, opacity, stream(SEED, "change", *numbers))
    return np.asarray(drawn >= inside * drawn.max())


def ratios(
    maps: NDArray[np.float64], masks: NDArray[np.bool_], mass: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Ratios:
    """Return the ratios of maps ``[n, h, w]``, each value spread over its cell; mirrored regions are without the true ones."""
    cells = SIZE // maps.shape[1]
    spread = mass(np.kron(maps, np.ones((1, cells, cells))))
    mirrored = masks[:, :, ::-1] & ~masks
    return Ratios(
        opacities=float(spread[masks].mean() / spread[~masks].mean()),
        mirrored=float(spread[mirrored].mean() / spread[~masks & ~mirrored].mean()),
    )


def check_on_real_images(model: Model) -> None:
    """Print how far the exact map is from Grad-CAM by gradients, and its sum from the logit."""
    classifier, sample = model.classifier, load_sample()
    records = sample.records[:: len(sample.records) // REAL_IMAGES]
    images = np.stack([classifier.read(sample.read(record.key))[0] for record in records])
    method = make_method(classifier, "exact", images[0])
    observed = method.observed(images)
    maps = method.explain(classifier.head, observed)
    taped = grad_cam(cut_backbone(classifier.backbone).tail, classifier.head, observed)
    sums = maps.sum(axis=(1, 2)) + constants(classifier.head, observed)
    print(f"{len(images)} real images: largest value {np.abs(maps).max():.3g}, largest logit {np.abs(sums).max():.3g}")
    print(f"  largest difference from Grad-CAM by gradients: {np.abs(maps - taped).max():.1e}")
    print(f"  largest difference of the sum from the logit: {np.abs(sums - classifier.logits(images)).max():.1e}")


def check_on_phantoms(model: Model, positives: int, inside: float) -> None:
    """Print the ratios for trained and random heads."""
    classifier = model.classifier
    shown = list(islice((image for image in list_images(4 * positives, SEED) if image.label), positives))
    images = np.stack([draw_image(image, SEED, SIZE) for image in shown])
    masks = np.stack([opacity_of(image, inside) for image in shown])
    focal = np.array([bool(sample_opacity(stream(SEED, "opacity", image.patient)).patches) for image in shown])
    score = classifier.scores(images).mean()
    print(f"{len(images)} positive phantoms, {masks.mean():.1%} of the pixels inside; mean score {score:.3f}")
    method = make_method(classifier, "exact", images[0])
    observed = method.observed(images)
    for kind, chosen in {"all": focal | True, "focal": focal, "diffuse": ~focal}.items():
        print_ratios(f"{kind} ({chosen.sum()})", model, method, observed[chosen], masks[chosen])


def print_ratios(kind: str, model: Model, method: Method, observed: NDArray[np.float32], masks: NDArray[np.bool_]) -> None:
    """Print one row per definition of mass."""
    masses = {"for the positive class": lambda values: np.maximum(values, 0), "absolute": np.abs}
    for name, mass in masses.items():
        trained = ratios(method.explain(model.classifier.head, observed), masks, mass)
        drawn = [ratios(method.explain(head, observed), masks, mass) for head in random_heads(single_heads(model))]
        low, high = np.percentile([one.opacities for one in drawn], [2.5, 97.5])
        mirrored = np.percentile([one.mirrored for one in drawn], [2.5, 97.5])
        print(
            f"| {kind}, {name} | {trained.opacities:.2f} | {low:.2f} to {high:.2f} "
            f"| {trained.mirrored:.2f} | {mirrored[0]:.2f} to {mirrored[1]:.2f} |"
        )


def main() -> None:
    """Parse the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of a run on phantoms")
    parser.add_argument("--model", default="1", help="rank or recipe of the row")
    parser.add_argument("--positives", type=int, default=200)
    parser.add_argument(
        "--inside", type=float, default=0.5, help="share of the largest attenuation from which on a pixel is inside"
    )
    given = parser.parse_args()
    options = ModelOptions(fold=None, seed=None, all_folds=False, file=(), trust_code=False)
    model = open_named(given.model, {"out": given.out}, options, Progress())
    check_on_real_images(model)
    check_on_phantoms(model, given.positives, given.inside)


if __name__ == "__main__":
    main()
