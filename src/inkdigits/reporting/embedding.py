"""A map of tiles: tiles that a network finds similar lie close together.

The outputs of the last hidden layer are reduced to 30 dimensions by principal component analysis,
and then to two by t-SNE (van der Maaten and Hinton, 2008). Distances between far groups, and the
sizes of groups, mean little.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import MissingExtraError, UsageError

MIN_POINTS: Final = 10
"""Fewer points make no map."""
_DIMENSIONS: Final = 30
_PERPLEXITY: Final = 30.0
_STEPS: Final = 600


def embed_points(features: NDArray[np.floating[Any]], seed: int = 0) -> NDArray[np.float32]:
    """Places points in a plane.

    Args:
        features: Shape (n, m).
        seed: Seed of t-SNE.

    Returns:
        float32, shape (n, 2), 0 to 1 in both directions.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        UsageError: There are less than 10 points.
    """
    if len(features) < MIN_POINTS:
        raise UsageError(f"{len(features)} images: expected at least {MIN_POINTS} for a map")
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    except ImportError as error:
        raise MissingExtraError(
            "the map of digits needs scikit-learn, which is not installed; run: "
            'pip install "inkdigits[report]"'
        ) from error
    reduced = reduce_dimensions(features, _DIMENSIONS)
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    # The first two components as the start keep the arrangement of the groups (Kobak and Berens,
    # 2019); scikit-learn scales them in this way, too.
    start = reduce_dimensions(features, 2)
    start = start / max(float(np.std(start[:, 0])), 1e-12) * 1e-4
    tsne = TSNE(
        perplexity=perplexity, init=start.astype(np.float32), max_iter=_STEPS, random_state=seed
    )
    # The threads of OpenMP wait for each other at every step, which takes minutes beside another
    # program that uses all cores.
    with threadpool_limits(1):
        found = tsne.fit_transform(reduced)
    low, high = found.min(axis=0), found.max(axis=0)
    return np.asarray((found - low) / np.maximum(high - low, 1e-12), np.float32)


def reduce_dimensions(features: NDArray[np.floating[Any]], n: int) -> NDArray[np.float32]:
    """Projects points on their principal components.

    Args:
        features: Shape (m, k).
        n: Number of components; there are at most k.

    Returns:
        float32, shape (m, n), or (m, 2) with zeros for features of one dimension.
    """
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    # The eigenvectors of the k × k covariance: faster than the SVD of many points.
    _, vectors = np.linalg.eigh(centred.T @ centred)
    projected = centred @ vectors[:, ::-1][:, :n]
    if projected.shape[1] < 2:
        projected = np.pad(projected, ((0, 0), (0, 2 - projected.shape[1])))
    return np.asarray(projected, np.float32)
