"""Types of arguments: each takes the text of an argument and returns its value."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from pathlib import Path

from inkdigits.cli.messages import print_message
from inkdigits.suggestions import describe_unknown

DEVICE_NAMES = ("cpu", "auto", "cuda", "coreml", "directml")
DIGITS_NAMES = ("all", "one")
FORMER_DIGITS_NAMES = {"any": "all"}


class Integer:
    """An integer within bounds.

    Attributes:
        kind: What the number stands for in error messages, such as "port".
        least: Smallest valid value.
        most: Largest valid value; None sets no bound.
    """

    def __init__(self, kind: str, least: int, most: int | None = None) -> None:
        self.kind = kind
        self.least = least
        self.most = most

    def __call__(self, text: str) -> int:
        """Returns the value; raises ArgumentTypeError for any other text."""
        try:
            value = int(text)
        except ValueError:
            value = self.least - 1
        if value < self.least or (self.most is not None and value > self.most):
            bounds = f"of {self.least} or more"
            if self.most is not None:
                bounds = f"from {self.least} to {self.most}"
            raise ArgumentTypeError(f"invalid {self.kind} {text!r}: expected an integer {bounds}")
        return value


class Name:
    """One of several names. The shell completes them.

    Attributes:
        kind: What the name stands for in error messages, such as "suite".
        names: All valid names.
        aliases: Other names that users know, to the names that they stand for.
    """

    def __init__(
        self, kind: str, names: Sequence[str], aliases: Mapping[str, str] | None = None
    ) -> None:
        self.kind = kind
        self.names = names
        self.aliases = aliases or {}

    def __call__(self, text: str) -> str:
        """Returns the name; raises ArgumentTypeError for any other text."""
        text = self.aliases.get(text, text)
        if text not in self.names:
            raise ArgumentTypeError(describe_unknown(self.kind, text, self.names))
        return text


class DatasetName(Name):
    """Parses the name of a data set, or of a folder that exists, such as ./shapes."""

    def __call__(self, text: str) -> str:
        """Returns the name; raises ArgumentTypeError if it is neither."""
        if text not in self.names and Path(text).expanduser().is_dir():
            return text
        return super().__call__(text)


parse_port = Integer("port", 0, 2**16 - 1)
parse_seed = Integer("seed", 0, 2**32 - 1)
parse_count = Integer("number", 1)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Returns seeds such as 0..4 or 0,3,7; raises ArgumentTypeError for any other text."""
    first, dots, last = text.partition("..")
    if not dots:
        return tuple(parse_seed(part.strip()) for part in text.split(","))
    ends = parse_seed(first), parse_seed(last)
    if not ends[0] <= ends[1] < ends[0] + 1000:
        raise ArgumentTypeError(f"invalid seeds {text!r}: expected a range such as 0..4")
    return tuple(range(ends[0], ends[1] + 1))


def parse_seconds(text: str) -> float:
    """Returns a duration in seconds; raises ArgumentTypeError unless it is more than 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:
        raise ArgumentTypeError(f"invalid duration {text!r}: expected seconds, more than 0")
    return seconds


def parse_share(text: str) -> float:
    """Returns a share; raises ArgumentTypeError unless it is from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ArgumentTypeError(f"invalid share {text!r}: expected a number from 0 to 1")
    return share


def parse_ray_address(text: str) -> str:
    """Returns the address of a Ray cluster; raises ArgumentTypeError for any other text."""
    from inkdigits.errors import UsageError
    from inkdigits.ray_clusters import check_address

    try:
        return check_address(text)
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error


def parse_digits(text: str) -> str:
    """Returns the value of --digits; replaces a former value by its successor, with a message.

    Raises ArgumentTypeError for any other text.
    """
    if text in DIGITS_NAMES:
        return text
    if text not in FORMER_DIGITS_NAMES:
        expected = " or ".join(map(repr, DIGITS_NAMES))
        raise ArgumentTypeError(f"invalid digits {text!r}: expected {expected}")
    successor = FORMER_DIGITS_NAMES[text]
    print_message(f"--digits {text} is deprecated: use --digits {successor}")
    return successor


def parse_picture_path(text: str) -> Path:
    """Returns the path of a picture to write; raises ArgumentTypeError for other suffixes."""
    from inkdigits.files import PICTURE_SUFFIXES

    path = Path(text)
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise ArgumentTypeError(
            f"invalid picture name {text!r}: expected one that ends in "
            f"{', '.join(PICTURE_SUFFIXES[:-1])} or {PICTURE_SUFFIXES[-1]}"
        )
    return path
