from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from inkdigits.recognition.quantiles import quantile

SAMPLES = Path(__file__).parents[2] / "samples"
SHADES = arrays(np.float32, array_shapes(max_dims=2), elements=st.floats(-1000, 1000, width=32))


@given(SHADES, st.floats(0, 1))
def test_it_is_numpys(values: NDArray[np.float32], share: float) -> None:
    expected = np.quantile(values.astype(np.float64), share)

    assert quantile(values, share) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_bytes_do_not_wrap_around() -> None:
    assert quantile(np.array([250, 10], np.uint8), 0.5) == 130


def test_pictures_are_read_without_masked_arrays(
    python: Callable[..., CompletedProcess[str]],
) -> None:
    pictures = [str(SAMPLES / name) for name in ("8-blue-on-yellow.png", "5-photo-in-shadow.jpg")]

    ended = python(
        "-c",
        "import sys\n"
        "from inkdigits import predict_digit\n"
        f"print([predict_digit(picture) for picture in {pictures}])\n"
        "print('numpy.ma' in sys.modules)",
    )

    assert ended.stdout == "[8, 5]\nFalse\n", ended
