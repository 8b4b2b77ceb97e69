from __future__ import annotations

import numpy as np
import pytest

import inkdigits
from inkdigits.data import LabelledImages
from inkdigits.errors import PictureFormatError, UsageError
from inkdigits.training import Run


def test_activations_have_a_panel_for_each_map(smoke_run: Run, test_slice: LabelledImages) -> None:
    figure = inkdigits.plot_activations(test_slice.images[0], smoke_run, n=4)

    shown = [axes for axes in figure.get_axes() if axes.get_images()]
    assert len(shown) == 1 + 2 * 4  # the tile, a convolution and a pooling
    np.testing.assert_array_equal(shown[0].get_images()[0].get_array(), test_slice.images[0])


def test_filters_have_a_panel_each(smoke_run: Run) -> None:
    figure = inkdigits.plot_filters(smoke_run)

    shown = [axes.get_images()[0] for axes in figure.get_axes() if axes.get_images()]
    assert len(shown) == 8
    assert all(np.abs(np.asarray(image.get_array())).max() == pytest.approx(1) for image in shown)


def test_the_map_shows_each_digit_as_its_label(smoke_run: Run) -> None:
    figure = inkdigits.plot_embedding(smoke_run, n=30)

    (axes,) = figure.get_axes()
    assert len(axes.texts) == 30
    assert {text.get_text() for text in axes.texts} <= set("0123456789")
    assert "validation images of the run" in axes.get_title()


def test_a_batch_has_tiles_without_a_digit_if_the_recipe_has() -> None:
    figure = inkdigits.plot_batch("pictures", n=40)

    labels = [axes.get_xlabel() for axes in figure.get_axes() if axes.get_images()]
    assert len(labels) == 40
    assert "none" in labels
    assert set(labels) <= {*"0123456789", "none"}


def test_a_batch_of_a_run_is_that_of_its_recipe(smoke_run: Run) -> None:
    figure = inkdigits.plot_batch(smoke_run, n=8)

    assert figure.get_suptitle() == "As “smoke” trains on them: augmentation “none”"


def test_errors(smoke_run: Run) -> None:
    with pytest.raises(UsageError, match="n is 0"):
        inkdigits.plot_filters(smoke_run, n=0)
    with pytest.raises(UsageError, match="2 tiles: expected one"):
        inkdigits.plot_activations(np.zeros((2, 28, 28), np.uint8), smoke_run)
    with pytest.raises(PictureFormatError):
        inkdigits.plot_activations(np.zeros((3, 5), np.uint8), smoke_run)
    with pytest.raises(UsageError, match="expected at least 10 for a map"):
        inkdigits.plot_embedding(smoke_run, n=5)
