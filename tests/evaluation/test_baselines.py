"""Classifiers of scikit-learn beside networks, in `compare`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import UsageError
from inkdigits.evaluation import baselines, compare
from inkdigits.evaluation.baselines import BASELINES, Baseline, fit_baseline
from inkdigits.evaluation.compared_models import find_models


@pytest.fixture
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The baselines learn 500 images only, in one thread."""
    for name, one in BASELINES.items():
        settings = {key: value for key, value in one.settings.items() if key != "n_jobs"}
        small = Baseline(one.summary, one.module, one.name, settings, images=500)
        monkeypatch.setitem(baselines.BASELINES, name, small)


@pytest.mark.usefixtures("fewer")
@pytest.mark.parametrize("name", sorted(BASELINES))
def test_a_baseline_reads_as_scikit_learn_does(
    name: str, mnist: Mnist, test_slice: LabelledImages
) -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    own = {
        "knn": KNeighborsClassifier(),
        "svm": SVC(),
        "random-forest": RandomForestClassifier(random_state=0),
    }[name]
    few = test_slice.take(range(200))
    pixels = mnist.train.images[:500].reshape(500, -1) / np.float32(255)
    own.fit(pixels, mnist.train.labels[:500])

    probabilities = fit_baseline(name).classify(few.images)

    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    expected = own.predict(few.images.reshape(200, -1) / np.float32(255))
    assert (probabilities.argmax(axis=1) == expected).mean() > 0.97  # ties of votes


@pytest.mark.usefixtures("fewer", "mnist")
def test_compare_takes_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compare("random-forest", "default", limit=50)

    assert comparison.models == ("random-forest", "default")
    assert "random-forest" in comparison.to_table()


def test_a_folder_of_this_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_models(["knn"])["knn"] == (Path("knn"),)
    (tmp_path / "svm").mkdir()

    with pytest.raises(UsageError, match="twice"):
        find_models(["svm", "svm"])
