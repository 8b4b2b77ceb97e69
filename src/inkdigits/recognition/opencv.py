"""OpenCV, imported on first use. Reading does without it; drawing pages and training need it.

The packages opencv-python, opencv-python-headless and their contrib editions contain the same
module, `cv2`, and any of them will do. The default install has none.
"""

from __future__ import annotations

import importlib
import logging
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any, Final

from inkdigits.errors import MissingExtraError

_logger = logging.getLogger(__name__)

PACKAGES: Final = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
"""The distributions that contain `cv2`. pip installs them over each other without a warning."""


@cache
def find_opencv() -> Any:
    """Returns the module `cv2`, or None if it is not installed or cannot be imported."""
    try:
        return importlib.import_module("cv2")
    except ImportError:  # also if libraries of a desktop are missing, which opencv-python needs
        return None


@cache
def load_opencv() -> Any:
    """Returns the module `cv2`. Logs one warning if several packages with it are installed.

    Raises:
        MissingExtraError: It is not installed, or cannot be imported.
    """
    try:
        module = importlib.import_module("cv2")
    except ImportError as error:
        raise MissingExtraError(
            f'drawing digits and pages needs OpenCV ({error}); run: pip install "inkdigits[opencv]"'
        ) from error
    installed = [name for name in PACKAGES if _is_installed(name)]
    if len(installed) > 1:
        _logger.warning(
            "%s are installed, and their files replace each other: keep one; "
            "run: pip uninstall -y %s && pip install %s",
            " and ".join(installed),
            " ".join(installed),
            installed[0],
        )
    return module


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


if TYPE_CHECKING:
    import cv2 as cv2
else:

    class _OpenCV:
        """Stands for `cv2`, and imports it with the first attribute that is asked for."""

        def __getattr__(self, name: str) -> object:
            found = getattr(load_opencv(), name)
            self.__dict__[name] = found  # the next time, Python finds it without this method
            return found

    cv2 = _OpenCV()
