"""The exceptions that inkdigits raises.

Each leaf also derives from the matching built-in exception. A message is one line that says what
was found, what was expected and how to fix it.

    InkdigitsError
    ├── UsageError (ValueError)               an invalid option or argument
    │   └── RecipeError                       an unknown recipe, field or value
    ├── PictureError (ValueError)             a picture that cannot be read
    │   ├── PictureFormatError                not a picture, damaged, or an unsupported format
    │   │   └── MissingFormatError            a format that needs an optional dependency
    │   ├── PictureTooLargeError              more bytes or pixels than the limits allow
    │   ├── NoInkError                        a picture without any writing
    │   └── DigitCountError                   not exactly one digit where one was expected
    ├── DataFormatError (ValueError)          damaged or inconsistent data files
    ├── DataLeakageError (ValueError)         MNIST test images among the data to train on
    ├── DataUnavailableError (OSError)        data that is missing and cannot be downloaded
    ├── ModelError (ValueError)               a model or card that cannot be used
    ├── RunError (OSError)                    a run folder that cannot be written or resumed
    ├── OutputError (OSError)                 a file that cannot be written
    ├── OutputExistsError (FileExistsError)   an existing file or folder would be overwritten
    ├── MissingExtraError (ImportError)       an optional dependency is not installed
    ├── RequestError (ValueError)             a request that the HTTP service rejects
    └── TrainingInterrupted                   Ctrl-C or SIGTERM; the run can be resumed
"""

from __future__ import annotations

from collections.abc import Mapping


class InkdigitsError(Exception):
    """Base class of all inkdigits exceptions.

    Attributes:
        exit_code: Exit status of the command line when this exception ends a command;
            `inkdigits.cli.exit_status` says what each of them means.
    """

    exit_code = 70


class UsageError(InkdigitsError, ValueError):
    """An invalid option or argument."""

    exit_code = 2


class RecipeError(UsageError):
    """An unknown recipe, an unknown field of a recipe, or an invalid value of a field."""


class PictureError(InkdigitsError, ValueError):
    """A picture that cannot be read."""

    exit_code = 3


class PictureFormatError(PictureError):
    """Not a picture, a damaged picture, or a picture in an unsupported format."""


class PictureTooLargeError(PictureError):
    """A picture with more bytes or pixels than the limits allow."""


class NoInkError(PictureError):
    """A picture without any writing."""


class DigitCountError(PictureError):
    """A picture that does not contain exactly one digit where exactly one was expected."""


class DataFormatError(InkdigitsError, ValueError):
    """Data files that are damaged, in the wrong format, or do not belong together."""

    exit_code = 3


class DataLeakageError(InkdigitsError, ValueError):
    """MNIST test images among the images to train on."""

    exit_code = 3


class DataUnavailableError(InkdigitsError, OSError):
    """Data files (MNIST, fonts, photographs, pictures) that are missing or cannot be downloaded."""

    exit_code = 3


class ModelError(InkdigitsError, ValueError):
    """A model file or card that is missing, damaged or unsupported."""

    exit_code = 3


class RunError(InkdigitsError, OSError):
    """A run folder that is missing, or cannot be written or resumed."""

    exit_code = 3


class OutputError(InkdigitsError, OSError):
    """A file that cannot be written, for example because the disk is full.

    Attributes:
        reason: The cause, without any path; None if unknown.
    """

    exit_code = 4

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason


class OutputExistsError(InkdigitsError, FileExistsError):
    """An existing file or folder that would be overwritten."""

    exit_code = 4


class MissingExtraError(InkdigitsError, ImportError):
    """An optional dependency that is not installed."""

    exit_code = 5


class MissingFormatError(PictureFormatError, MissingExtraError):
    """A picture in a format whose optional dependency is not installed."""


class RequestError(InkdigitsError, ValueError):
    """A request that the HTTP service rejects. The message is sent to the client.

    Attributes:
        status: HTTP status code of the response.
        headers: Additional response headers, such as `Retry-After`.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class TrainingInterrupted(InkdigitsError):  # noqa: N818 - an event, not a fault
    """Training was stopped by Ctrl-C or SIGTERM. The run can be resumed."""

    exit_code = 130
