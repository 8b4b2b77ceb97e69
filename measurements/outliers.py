"""Measures how well a tile network separates digits from outliers of kinds not used in training.

The digits are MNIST's 10,000 test digits. The outliers are 500 each of letters of fonts and
mathematical signs (in fonts shipped with matplotlib), patches of photographs (shipped with
scikit-learn), curves, and clusters of straight strokes. The script prints the area under the ROC
curve and the share of rejected tiles.

    python measurements/outliers.py
    python measurements/outliers.py runs/pictures
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from inkdigits.data import fetch_mnist
from inkdigits.evaluation.auroc import compute_auroc
from inkdigits.recognition import DEFAULT_TILE_MODEL, Recognizer
from inkdigits.synthesis.held_out_marks import HELD_OUT_KINDS, generate_held_out
from inkdigits.text_tables import format_columns

N_OUTLIERS = 500
SEED = 0


def main() -> None:
    """Runs the measurement and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path, default=DEFAULT_TILE_MODEL)
    recognizer = Recognizer.load(parser.parse_args().model)
    threshold = recognizer.card.refusal_threshold
    digits = recognizer.measure_certainty(fetch_mnist().test.images)
    rows = [["", "AUROC", "rejected"]]
    rows.append(["digits of MNIST", "", f"{(digits < threshold).mean():.2%}"])
    everything = []
    for kind in HELD_OUT_KINDS:
        tiles = generate_held_out(kind, N_OUTLIERS, np.random.default_rng(SEED))
        outliers = recognizer.measure_certainty(tiles)
        everything.append(outliers)
        rejected = (outliers < threshold).mean()
        rows.append([kind, f"{compute_auroc(digits, outliers):.4f}", f"{rejected:.2%}"])
    pooled = np.concatenate(everything)
    rejected = (pooled < threshold).mean()
    rows.append(["all", f"{compute_auroc(digits, pooled):.4f}", f"{rejected:.2%}"])
    print("\n".join(format_columns(rows, "<>>")))


if __name__ == "__main__":
    main()
