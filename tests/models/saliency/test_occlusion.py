from __future__ import annotations

import numpy as np

from cxrbench.models.saliency.method import make_method

SIZE = 70


def of_corner(images):
    """A backbone that sees one patch of 10 x 10 pixels."""
    return images[:, 20:30, 40:50, 0].mean(axis=(1, 2), keepdims=False)[:, None].astype(np.float32)


def pass_on(gain):
    return tuple(np.array(part, np.float32) for part in ([[1]], [0], [[gain]], [0.25]))


def test_only_the_patch_that_the_backbone_sees_matters(classify, noise):
    classifier = classify(of_corner, 1, size=SIZE)
    images = noise(2, SIZE)
    images[:, 20:30, 40:50] = 200
    method = make_method(classifier, "occlusion", images[0])
    maps = method.explain(pass_on(0.5), method.observed(images))
    expected = np.zeros((2, 7, 7))
    expected[:, 2, 4] = 0.5 * (200 - images.mean(axis=(1, 2)))
    assert np.allclose(maps, expected, atol=1e-4)
    assert np.allclose(method.explain(pass_on(-0.5), method.observed(images)), -expected, atol=1e-4)


def test_patches_cover_images_of_any_size(classify, noise):
    classifier = classify(lambda images: images.mean(axis=(1, 2)), 3, size=33)
    image = noise(1, 33)
    method = make_method(classifier, "occlusion", image[0])
    features = method.observed(image)
    assert features.shape == (1, 50, 3)
    assert np.abs(features[:, 1:] - image.mean()).max() < 10
