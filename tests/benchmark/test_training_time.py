from __future__ import annotations

from pathlib import Path

import pytest

from inkdigits.benchmark import BENCHMARKS
from inkdigits.benchmark.workplace import SLICE, Workplace
from inkdigits.data import Mnist
from inkdigits.recognition import Recognizer


@pytest.mark.slow
def test_one_training_serves_both(mnist: Mnist, tmp_path: Path) -> None:
    place = Workplace(tmp_path, SLICE)

    fit, process = BENCHMARKS["fit"](place), BENCHMARKS["fit-process"](place)

    assert len(list(tmp_path.glob("quick-*"))) == len(list(tmp_path.glob("dropout-*"))) == 1
    assert [timing.name for timing in fit.timings] == ["quick", "dropout"]
    for inner, outer in zip(fit.timings, process.timings, strict=True):
        assert 0 < inner.median_s < outer.median_s
    ((quick, _),) = place.pairs
    recognizer = Recognizer.load(quick.run.folder)
    right = recognizer.classify(mnist.test.images).argmax(axis=1) == mnist.test.labels
    assert quick.test_accuracy == right.mean()
    assert fit.figures[1].value == pytest.approx(100 * right.mean())
