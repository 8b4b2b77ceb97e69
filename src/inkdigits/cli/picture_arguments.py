"""The pictures that `inkdigits predict` gets: files, folders, standard input and addresses."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_allow_url
from inkdigits.errors import UsageError

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

    from inkdigits.pictures.decoding import DecodingLimits, PictureSource
    from inkdigits.recognition.picture_lists import ListedPicture

STDIN = "-"


def add_pictures(parser: Parser) -> _ArgumentGroup:
    """Adds the arguments that name pictures, and returns their group."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "pictures",
        nargs="*",
        metavar="PICTURE",
        help="picture or PDF file, folder, data URI, base64 text, or - for standard input",
    )
    group.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="PICTURE",
        help="the same as an option; may be repeated",
    )
    add_allow_url(group)
    return group


def list_pictures(given: Sequence[str]) -> list[PictureSource]:
    """Returns the pictures that arguments name; those of a folder are sorted by path.

    Raises:
        UsageError: An argument is empty, a folder has no pictures, or standard input is named
            twice or is a terminal.
        PictureFormatError: A folder cannot be read.
    """
    from inkdigits.recognition.picture_lists import is_folder, list_folder

    if given.count(STDIN) > 1:
        raise UsageError("standard input is named twice: expected one '-'")
    found: list[PictureSource] = []
    for name in given:
        if not name:  # would name the current folder
            raise UsageError("empty picture name: name a file or a folder")
        if name == STDIN:
            found.append(_read_stdin())
        elif is_folder(name):
            found += list_folder(name)
        else:
            found.append(name)
    return found


def list_one(
    picture: PictureSource, limits: DecodingLimits, *, allow_url: bool, option: str
) -> ListedPicture:
    """Returns a picture that is read and drawn, or the only page of a document.

    Args:
        picture: The picture.
        limits: Maximum size.
        allow_url: Whether an address is fetched.
        option: The option that draws it, for the error message.

    Raises:
        UsageError: The document has several pages.
    """
    from inkdigits.recognition.picture_lists import iterate_pictures

    listed = iterate_pictures(picture, limits, allow_url=allow_url)
    only = next(listed)
    if next(listed, None) is not None:
        raise UsageError(
            f"{option} draws one picture: {only.source} has several pages; --output draws all of "
            "them"
        )
    return only


def _read_stdin() -> PictureSource:
    from inkdigits.pictures.decoding import DecodingLimits

    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "standard input is a terminal: expected a picture, as in 'inkdigits predict - < 7.png'"
        )
    file = io.BytesIO(sys.stdin.buffer.read(DecodingLimits().max_bytes + 1))
    file.name = "stdin"
    return file
