"""The errors that inkdigits raises on purpose.

Each leaf is also the builtin that a caller would expect. A message says what came, what was
expected, and how to fix it, in one line.

    InkdigitsError
    ├── UsageError (ValueError)               an option or argument that means nothing
    │   └── RecipeError                       an unknown recipe, field or value
    ├── PictureError (ValueError)             something that is no readable picture
    │   ├── PictureFormatError                not a picture, damaged, or of a refused format
    │   ├── PictureTooLargeError              more bytes or pixels than the limits allow
    │   ├── NoInkError                        a picture on which nothing is written
    │   └── DigitCountError                   not exactly one digit where one was asked for
    ├── DataFormatError (ValueError)          an IDX file, or a set of them, that is not whole
    ├── DataUnavailableError (OSError)        data that is neither here nor to be fetched
    ├── ModelError (ValueError)               a model or card that cannot be used
    ├── RunError (OSError)                    a run folder that cannot be written or continued
    ├── OutputError (OSError)                 a file that cannot be written
    ├── OutputExistsError (FileExistsError)   a file or folder that would have been overwritten
    ├── MissingExtraError (ImportError)       an optional dependency that is not installed
    ├── RequestError (ValueError)             a request that the HTTP service refuses
    └── TrainingInterrupted                   Ctrl-C or SIGTERM; the run can be resumed
"""

from __future__ import annotations

from collections.abc import Mapping


class InkdigitsError(Exception):
    """Any error that inkdigits raises on purpose.

    Attributes:
        exit_code: What the command line exits with when this ends a command.
    """

    exit_code = 2


class UsageError(InkdigitsError, ValueError):
    """An option or argument that means nothing here."""


class RecipeError(UsageError):
    """An unknown recipe, an unknown field of a recipe, or a value that does not fit it."""


class PictureError(InkdigitsError, ValueError):
    """Something that cannot be read as a picture of digits."""


class PictureFormatError(PictureError):
    """Not a picture, a damaged one, or one of a format that is not accepted."""


class PictureTooLargeError(PictureError):
    """A picture with more bytes or pixels than the limits allow."""


class NoInkError(PictureError):
    """A picture on which nothing is written."""


class DigitCountError(PictureError):
    """A picture that does not hold exactly one digit where exactly one was asked for."""


class DataFormatError(InkdigitsError, ValueError):
    """An IDX file, or a set of four, that is not what the format says."""


class DataUnavailableError(InkdigitsError, OSError):
    """MNIST, a font, a photograph or a folder of pictures that is not here nor can be fetched."""


class ModelError(InkdigitsError, ValueError):
    """A model file or card that cannot be used here."""


class RunError(InkdigitsError, OSError):
    """A run folder that cannot be written, found or continued."""


class OutputError(InkdigitsError, OSError):
    """A file that cannot be written: a full disk, a read-only folder.

    Attributes:
        reason: What is wrong, without any path; None where nothing is known.
    """

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class OutputExistsError(InkdigitsError, FileExistsError):
    """A file or folder that would have been overwritten."""


class MissingExtraError(InkdigitsError, ImportError):
    """An optional dependency that is not installed."""


class RequestError(InkdigitsError, ValueError):
    """A request that the HTTP service refuses; its message goes to the client.

    Attributes:
        status: The HTTP status of the answer.
        headers: What to answer besides, such as how long to wait before trying again.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class TrainingInterrupted(InkdigitsError):  # noqa: N818 - an event, not a fault
    """Training was stopped by Ctrl-C or SIGTERM; its run can be resumed."""

    exit_code = 130
