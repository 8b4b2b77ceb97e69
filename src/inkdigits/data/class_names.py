"""Which classes the images of a data set show, as a user names the data set."""

from __future__ import annotations

from pathlib import Path

from inkdigits.data.datasets import DATASETS, DIGIT_NAMES, get_class_names
from inkdigits.data.forms.tile_folders import list_class_folders
from inkdigits.errors import UsageError


def choose_class_names(
    dataset: str | Path | None, data: Path | str | None
) -> tuple[tuple[str, ...], Path | str | None]:
    """Returns the names of the classes, and where the images are.

    Args:
        dataset: A key of `DATASETS`, or a folder with a subfolder of tiles for each class, which
            gives the class its name. None: digits.
        data: The images; None if they are MNIST's, or in the folder `dataset`.

    Returns:
        The names in the order of the labels, empty for digits; and the path of the images, None for
        MNIST's.

    Raises:
        UsageError: The data set is unknown, its files are not named, or both arguments name images.
        DataFormatError, DataUnavailableError: The folder has no classes, or cannot be read.
    """
    if dataset is None:
        return (), data
    if dataset not in DATASETS and Path(dataset).expanduser().is_dir():
        if data is not None:
            raise UsageError(
                f"the dataset {dataset} is a folder, which has the images: leave data (--data) out"
            )
        folder = Path(dataset).expanduser()
        names = list_class_folders(folder)
        data = folder
    else:
        names = get_class_names(str(dataset))
        if data is None and dataset != "mnist":
            raise UsageError(
                f"the files of {dataset} are not known: name them with --data; only MNIST is "
                "downloaded"
            )
    return () if names == DIGIT_NAMES else names, data
