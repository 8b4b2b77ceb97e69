"""MNIST and own data in its format: fetched, verified, loaded, split."""

from inkdigits.data.folder import cache_directory
from inkdigits.data.idx import parse_idx_images, parse_idx_labels
from inkdigits.data.mnist import (
    FileStatus,
    LabelledImages,
    Mnist,
    check_mnist,
    fetch_mnist,
    load_mnist,
    split_validation,
)
from inkdigits.data.pictures import LabelledPicture, load_labelled_pictures

__all__ = [
    "FileStatus",
    "LabelledImages",
    "LabelledPicture",
    "Mnist",
    "cache_directory",
    "check_mnist",
    "fetch_mnist",
    "load_labelled_pictures",
    "load_mnist",
    "parse_idx_images",
    "parse_idx_labels",
    "split_validation",
]
