"""Downloading, verifying, loading and splitting MNIST, your own data, fonts and photographs."""

from inkdigits.data.folder import cache_directory
from inkdigits.data.fonts import Font, fetch_fonts, load_fonts
from inkdigits.data.idx import parse_idx_images, parse_idx_labels
from inkdigits.data.labelled_images import LabelledImages, split_validation
from inkdigits.data.leakage import find_test_images
from inkdigits.data.mnist import FileStatus, Mnist, check_mnist, fetch_mnist, load_mnist
from inkdigits.data.photographs import Photograph, fetch_photographs, load_photographs
from inkdigits.data.pictures import LabelledPicture, load_labelled_pictures

__all__ = [
    "FileStatus",
    "Font",
    "LabelledImages",
    "LabelledPicture",
    "Mnist",
    "Photograph",
    "cache_directory",
    "check_mnist",
    "fetch_fonts",
    "fetch_mnist",
    "fetch_photographs",
    "find_test_images",
    "load_fonts",
    "load_labelled_pictures",
    "load_mnist",
    "load_photographs",
    "parse_idx_images",
    "parse_idx_labels",
    "split_validation",
]
