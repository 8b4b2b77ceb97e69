"""How the accuracy on MNIST's 10,000 test digits grows with the networks that are averaged.

For each number of networks, the mean over all choices of so many of the runs named: of the accuracy
of their mean probabilities, of the same where each network takes the mean over nine shifts, and of
the digits that every network of a choice misreads without shifts, which no mean is likely to mend.

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


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    rows = measure([Recognizer.load(model) for model in options.models], fetch_mnist().test)
    if options.json:
        result = {"models": [str(model) for model in options.models], "rows": rows}
        print(json.dumps(result, indent=2))
        return
    print(f"{'networks':>8}{'choices':>9}{'accuracy':>10}{'with shifts':>13}{'misread by all':>16}")
    for row in rows:
        print(
            f"{row['networks']:8}{row['choices']:9}{row['accuracy']:10.3%}"
            f"{row['accuracy_with_shifts']:13.3%}{row['misread_by_all']:16.1f}"
        )


def measure(members: list[Recognizer], digits: LabelledImages) -> list[dict[str, float]]:
    """Averages every choice of the networks.

    Args:
        members: At least one.
        digits: What they read.

    Returns:
        For each number of networks the number of choices, and the mean over these of the accuracy,
        of that with shifts, and of the number of digits that all networks misread without them.
    """
    judgements = np.array(
        [
            [
                keep_digits(combine([judge]).network(digits.images))
                for judge in (member, add_shifts(member))
            ]
            for member in members
        ]
    )
    rows = []
    for n in range(1, len(members) + 1):
        found = []
        for choice in itertools.combinations(judgements, n):
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
