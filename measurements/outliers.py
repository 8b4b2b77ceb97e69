"""How well a network for tiles tells digits from what is none, on kinds never trained on.

MNIST's 10,000 test digits against 500 each of: letters of fonts and mathematical signs (fonts that
matplotlib ships), patches of photographs (those that scikit-learn ships), curves and clusters of
straight strokes. Prints the area under the ROC curve and the share refused.

    python measurements/outliers.py
    python measurements/outliers.py runs/pictures
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from inkdigits.data import fetch_mnist
from inkdigits.evaluation.refusal import compute_auroc
from inkdigits.recognition import DEFAULT_TILE_MODEL, Recognizer
from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS, generate_held_out

N_OUTLIERS = 500
SEED = 0


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, default=DEFAULT_TILE_MODEL)
    recognizer = Recognizer.load(parser.parse_args().model)
    threshold = recognizer.card.refusal_threshold
    digits = recognizer.measure_certainty(fetch_mnist().test.images)
    print(f"{'':22}{'AUROC':>8}{'refused':>10}")
    print(f"{'digits of MNIST':22}{'':8}{(digits < threshold).mean():10.2%}")
    everything = []
    for kind in HELD_OUT_KINDS:
        tiles = generate_held_out(kind, N_OUTLIERS, np.random.default_rng(SEED))
        outliers = recognizer.measure_certainty(tiles)
        everything.append(outliers)
        refused = (outliers < threshold).mean()
        print(f"{kind:22}{compute_auroc(digits, outliers):8.4f}{refused:10.2%}")
    pooled = np.concatenate(everything)
    print(f"{'all':22}{compute_auroc(digits, pooled):8.4f}{(pooled < threshold).mean():10.2%}")


if __name__ == "__main__":
    main()
