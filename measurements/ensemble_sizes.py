"""Measures how the accuracy on MNIST's 10,000 test digits grows with the size of an ensemble.

For each number of networks, the script averages over all subsets of that size of the given runs. It
reports the accuracy of the mean probabilities, the same accuracy if each network averages over nine
shifts, and the number of digits that all networks of a subset misread without shifts. An ensemble
can hardly correct those digits.

    python measurements/ensemble_sizes.py runs/best runs/best-2 runs/small
    python measurements/ensemble_sizes.py runs/best runs/best-2 runs/small --json
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from inkdigits.data import LabelledImages, fetch_mnist
from inkdigits.recognition import Recognizer, add_shifts, combine
from inkdigits.recognition.calibration import keep_digits
from inkdigits.text_tables import format_columns


def main() -> None:
    """Runs the measurement and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    rows = measure([Recognizer.load(model) for model in options.models], fetch_mnist().test)
    if options.json:
        result = {"models": [str(model) for model in options.models], "rows": rows}
        print(json.dumps(result, indent=2))
        return
    header = ["networks", "subsets", "accuracy", "with shifts", "misread by all"]
    cells = [
        [
            *(f"{row[name]:.0f}" for name in ("networks", "choices")),
            *(f"{row[name]:.3%}" for name in ("accuracy", "accuracy_with_shifts")),
            f"{row['misread_by_all']:.1f}",
        ]
        for row in rows
    ]
    print("\n".join(format_columns([header, *cells], ">>>>>")))


def measure(members: list[Recognizer], digits: LabelledImages) -> list[dict[str, float]]:
    """Measures every subset of the networks.

    Args:
        members: The networks, at least one.
        digits: Labelled digits.

    Returns:
        One row for each number of networks: the number of subsets, and the means over the subsets
        of the accuracy, of the accuracy with shifts, and of the number of digits that all networks
        misread without shifts.
    """
    predictions = np.array(
        [
            [
                keep_digits(combine([network]).network(digits.images))
                for network in (member, add_shifts(member))
            ]
            for member in members
        ]
    )
    rows = []
    for n in range(1, len(members) + 1):
        found = []
        for choice in itertools.combinations(predictions, n):
            right = np.mean(choice, axis=0, dtype=np.float64).argmax(axis=2) == digits.labels
            misread = np.array([plain.argmax(axis=1) != digits.labels for plain, _ in choice])
            found.append([*right.mean(axis=1), misread.all(axis=0).sum()])
        accuracy, accuracy_with_shifts, misread_by_all = np.mean(found, axis=0).tolist()
        rows.append(
            {
                "networks": n,
                "choices": len(found),
                "accuracy": accuracy,
                "accuracy_with_shifts": accuracy_with_shifts,
                "misread_by_all": misread_by_all,
            }
        )
    return rows


if __name__ == "__main__":
    main()
