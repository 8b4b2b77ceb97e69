from __future__ import annotations

import numpy as np
import pytest

from inkdigits.data import Mnist
from inkdigits.data.fonts import Font
from inkdigits.synthesis.scribes import DigitBank, Scriptorium


@pytest.fixture(scope="session")
def scriptorium(mnist: Mnist, training_fonts: tuple[Font, ...]) -> Scriptorium:
    """All that pages are written with, of few digits; without photographs."""
    return Scriptorium(
        DigitBank(mnist.train, 200, np.random.default_rng(0)),
        [font.path for font in training_fonts if font.kind == "handwriting"],
        [font.path for font in training_fonts if font.kind == "printed"],
    )
