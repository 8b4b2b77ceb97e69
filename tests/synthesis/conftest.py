from __future__ import annotations

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font, load_fonts
from inkdigits.errors import DataUnavailableError
from inkdigits.synthesis.scribes import DigitBank, Scriptorium


@pytest.fixture(scope="session")
def fonts() -> tuple[Font, ...]:
    """The fonts of training, where they have been fetched."""
    try:
        return load_fonts("training")
    except DataUnavailableError as error:
        pytest.skip(f"the fonts are not cached: {str(error).splitlines()[0]}")


@pytest.fixture(scope="session")
def scriptorium(mnist: Mnist, fonts: tuple[Font, ...]) -> Scriptorium:
    """All that pages are written with, of few digits; without photographs."""
    return Scriptorium(
        DigitBank(mnist.train, 200, np.random.default_rng(0)),
        [font.path for font in fonts if font.kind == "handwriting"],
        [font.path for font in fonts if font.kind == "printed"],
    )
