"""A map of tiles: tiles that a network finds similar lie close together.

The outputs of the last hidden layer are reduced to 30 dimensions by principal component analysis,
and then to two by t-SNE (van der Maaten and Hinton, 2008). Distances between far groups, and the
sizes of groups, mean little. The time of t-SNE grows faster than the number of points: of many
points, it places some, and each of the others lies between its nearest neighbours among these.
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
FITTED: Final = 2_000
"""Points that t-SNE places itself."""
_NEIGHBOURS: Final = 3
_CHUNK: Final = 1_000
"""Points whose distances to all fitted ones are in memory at once."""


def embed_points(features: NDArray[np.floating[Any]], seed: int = 0) -> NDArray[np.float32]:
    """Places points in a plane.

    Args:
        features: Shape (n, m).
        seed: Seed of t-SNE, and of the choice of points that it places.

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
    chosen = np.sort(np.random.default_rng(seed).permutation(len(reduced))[:FITTED])
    fitted = reduced[chosen]
    perplexity = min(_PERPLEXITY, (len(fitted) - 1) / 3)
    # The first two components as the start keep the arrangement of the groups (Kobak and Berens,
    # 2019); scikit-learn scales them in this way, too.
    start = reduce_dimensions(fitted, 2)
    start = start / max(float(np.std(start[:, 0])), 1e-12) * 1e-4
    tsne = TSNE(
        perplexity=perplexity, init=start.astype(np.float32), max_iter=_STEPS, random_state=seed
    )
    # The threads of OpenMP wait for each other at every step, which takes minutes beside another
    # program that uses all cores.
    with threadpool_limits(1):
        anchors = tsne.fit_transform(fitted)
    found = np.empty((len(reduced), 2), np.float32)
    found[chosen] = anchors
    others = np.setdiff1d(np.arange(len(reduced)), chosen)
    found[others] = place_between(reduced[others], fitted, anchors)
    low, high = found.min(axis=0), found.max(axis=0)
    return np.asarray((found - low) / np.maximum(high - low, 1e-12), np.float32)


def place_between(
    points: NDArray[np.float32], fitted: NDArray[np.float32], anchors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Places points at the mean of their nearest neighbours, weighted by 1 / distance².

    Args:
        points: Shape (n, k).
        fitted: Points that have a place, shape (m, k).
        anchors: Their places, shape (m, 2).

    Returns:
        float32, shape (n, 2).
    """
    found = np.empty((len(points), 2), np.float32)
    norms = (fitted**2).sum(axis=1)
    n_near = min(_NEIGHBOURS, len(fitted))
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK]
        squares = (part**2).sum(axis=1, keepdims=True) + norms - 2 * part @ fitted.T
        nearest = np.argpartition(squares, n_near - 1, axis=1)[:, :n_near]
        # The same point twice has a distance of 0, up to rounding.
        weights = 1 / np.maximum(np.take_along_axis(squares, nearest, axis=1), 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        found[start : start + _CHUNK] = (weights[..., np.newaxis] * anchors[nearest]).sum(axis=1)
    return found


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
