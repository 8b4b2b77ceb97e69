"""The loss of the detector: focal loss of centres, absolute error of boxes."""

from __future__ import annotations

from typing import Any

from inkdigits.training.networks.frameworks import load_keras
from inkdigits.training.networks.reader_networks import N_HEATMAPS
from inkdigits.training.samples.detector_targets import BOX, CENTRE, WEIGHT


def compute_detector_loss(targets: Any, outputs: Any) -> Any:
    """Computes the loss of the detector.

    The loss is the focal loss of centres (Lin et al., 2017; Zhou et al., 2019) plus half the
    absolute error of boxes at the true centres, divided by the number of marks.

    Args:
        targets: Targets as `build_targets` returns them, shape (n, side / 4, side / 4, 23).
        outputs: Outputs of the detector, float32, shape (n, side / 4, side / 4, 21).

    Returns:
        The loss, a float32 scalar.
    """
    ops = load_keras().ops
    targets = ops.cast(targets, "float32")
    logits = outputs[..., :N_HEATMAPS]
    bumps = targets[..., :N_HEATMAPS]
    is_centre = ops.cast(bumps >= 0.999, "float32")
    shares = ops.sigmoid(logits)
    # log σ(z) = -softplus(-z) and log(1 - σ(z)) = -softplus(z) are finite for every logit.
    found = ops.square(1 - shares) * ops.softplus(-logits) * is_centre
    invented = (
        ops.power(1 - bumps, 4.0)
        * ops.square(shares)
        * ops.softplus(logits)
        * (1 - is_centre)
        * targets[..., WEIGHT : WEIGHT + 1]
    )
    centres = targets[..., CENTRE : CENTRE + 1]
    distance = ops.abs(outputs[..., N_HEATMAPS:] - targets[..., BOX]) * centres
    n_marks = ops.maximum(ops.sum(centres), 1.0)
    return (ops.sum(found) + ops.sum(invented) + 0.5 * ops.sum(distance)) / n_marks
