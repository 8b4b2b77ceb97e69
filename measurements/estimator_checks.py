"""Runs all of scikit-learn's checks of estimators on `inkdigits.DigitClassifier`.

The checks train on made-up data of a few features, hundreds of times; this takes minutes.

    python measurements/estimator_checks.py
    python measurements/estimator_checks.py --json > results/estimator-checks.json
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import sklearn
from sklearn.utils.estimator_checks import check_estimator

from inkdigits import DigitClassifier
from inkdigits.training.fit.digit_classifier import EXPECTED_FAILED_CHECKS


def main() -> None:
    """Runs the checks and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    checks = run_checks(DigitClassifier("smoke", epochs=40, batch_size=16, random_state=0))
    if options.json:
        print(json.dumps({"scikit-learn": sklearn.__version__, "checks": checks}, indent=2))
        return
    for check in checks:
        print(f"{check['status']:8}  {check['name']:50}  {check['reason']}".rstrip())


def run_checks(estimator: Any) -> list[dict[str, str]]:
    """Runs the checks.

    Args:
        estimator: An estimator of scikit-learn.

    Returns:
        For each check its name, its status ("passed", "failed", "skipped", or "xfail" for one that
        cannot hold), and the first line of the reason if it did not pass.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = check_estimator(
            estimator, on_fail=None, expected_failed_checks=dict(EXPECTED_FAILED_CHECKS)
        )
    return [
        {
            "name": check["check_name"],
            "status": check["status"],
            "reason": (str(check["exception"] or "").splitlines() or [""])[0],
        }
        for check in found
    ]


if __name__ == "__main__":
    main()
