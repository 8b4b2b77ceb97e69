"""An evaluation as a value: in one line, as HTML, as data frames, and the tiles it names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inkdigits.errors import UsageError
from inkdigits.evaluation import Evaluation, score


@pytest.fixture
def evaluation() -> Evaluation:
    """Six tiles, two of them misread: the second and the fifth."""
    probabilities = np.full((6, 10), 0.01)
    for row, (digit, share) in enumerate(
        [(0, 0.9), (7, 0.6), (2, 0.9), (3, 0.9), (5, 0.8), (9, 1)]
    ):
        probabilities[row] = (1 - share) / 9
        probabilities[row, digit] = share
    return score(probabilities, np.array([0, 1, 2, 3, 4, 9]))


def test_misread_tiles_are_named(evaluation: Evaluation) -> None:
    found = [(tile.index, tile.label, tile.predicted) for tile in evaluation.misread]
    assert found == [(1, 1, 7), (4, 4, 5)]
    assert [tile.confidence for tile in evaluation.misread] == pytest.approx([0.6, 0.8])
    assert len(evaluation.misread) == evaluation.mistakes
    read_back = json.loads(json.dumps(evaluation.to_json()))
    assert [row["index"] for row in read_back["misread"]] == [1, 4]


def test_the_representation_is_one_line(evaluation: Evaluation) -> None:
    assert repr(evaluation) == ("Evaluation(accuracy=0.6667, mistakes=2, n=6, measured_on='tiles')")


def test_a_dict_also_says_what_was_measured(evaluation: Evaluation) -> None:
    assert evaluation.to_dict() == {"measured_on": "tiles", **evaluation.to_json()}


def test_data_frames_have_the_tables(evaluation: Evaluation) -> None:
    pytest.importorskip("pandas")
    digits = evaluation.to_pandas()
    assert digits["digit"].tolist() == list(range(10))
    assert digits["recall"].tolist() == [score.recall for score in evaluation.per_digit]
    misread = evaluation.to_pandas("misread")
    assert misread[["index", "label", "predicted"]].to_numpy().tolist() == [[1, 1, 7], [4, 4, 5]]
    confusion = evaluation.to_pandas("confusion")
    assert confusion.to_numpy().tolist() == evaluation.confusion_matrix.tolist()
    with pytest.raises(UsageError, match="unknown table 'misred': did you mean 'misread'"):
        evaluation.to_pandas("misred")


def test_html_has_the_figures_and_the_worst_mistakes_first(evaluation: Evaluation) -> None:
    html = evaluation._repr_html_()
    assert "2 mistakes in 6 tiles" in html
    assert "66.67 %" in html
    assert html.index("80.0%") < html.index("60.0%")
    assert "src=" not in html
    assert "<style" not in html
