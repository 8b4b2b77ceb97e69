from __future__ import annotations

import numpy as np
import pytest

from inkdigits.errors import UsageError
from inkdigits.reporting.embedding import embed_points, reduce_dimensions


def test_groups_stay_together() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], 20)
    features = 20 * np.eye(40)[groups] + random.normal(size=(60, 40))

    places = embed_points(features)

    assert places.shape == (60, 2)
    assert (places.min(), places.max()) == (0, 1)
    distances = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (groups[distances.argmin(axis=1)] == groups).all()


def test_components_are_those_of_the_singular_values() -> None:
    features = np.random.default_rng(0).normal(size=(50, 6)) * [9, 5, 3, 1, 1, 1]
    centred = features - features.mean(axis=0)
    expected = np.linalg.svd(centred, compute_uv=False)[:3]

    found = reduce_dimensions(features, 3)

    np.testing.assert_allclose(np.linalg.norm(found, axis=0), expected, rtol=1e-4)
    assert reduce_dimensions(features[:, :1], 2).shape == (50, 2)


def test_few_points_make_no_map() -> None:
    with pytest.raises(UsageError, match="9 images: expected at least 10"):
        embed_points(np.zeros((9, 4)))
