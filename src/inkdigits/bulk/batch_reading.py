"""Reads everything in a source into a data set."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from inkdigits.bulk.batch_sources import BatchSource, find_source
from inkdigits.bulk.dataset import BatchFormat, open_dataset
from inkdigits.bulk.file_reader import BatchOptions
from inkdigits.bulk.local_pool import read_in_threads
from inkdigits.bulk.packed_model import ModelPaths, PackedModel
from inkdigits.bulk.rows import Row
from inkdigits.bulk.storage import make_absolute
from inkdigits.ray_clusters import check_address, load_ray
from inkdigits.recognition.reading_options import check_threshold, expects_one_digit
from inkdigits.recognition.recognizer import DEFAULT_LIMITS, DEFAULT_MODEL, Recognizer
from inkdigits.results.review_folder import ReviewFolder

if TYPE_CHECKING:
    from collections.abc import Container

    from inkdigits.recognition.devices import Device
    from inkdigits.recognition.reading_options import Digits


@dataclass(frozen=True)
class BatchResult:
    """How far a batch is, or what it has written.

    Attributes:
        output: Path or address of the data set.
        n_files: Number of files in the source; None if unknown, as in a tar file.
        n_before: Number of files that the data set contained from before.
        n_read: Number of files that were read now.
        n_rows: Number of rows of these: one for each picture or page.
        n_errors: Number of rows with an error among them.
        seconds: Time so far, in seconds.
        start_seconds: Time until the rows of the first file came; Ray takes some to start.
        n_first: Number of files whose rows came together with these; Ray's workers read several
            files at a time.
    """

    output: str
    n_files: int | None
    n_before: int
    n_read: int = 0
    n_rows: int = 0
    n_errors: int = 0
    seconds: float = 0.0
    start_seconds: float = 0.0
    n_first: int = 0

    @property
    def files_per_second(self) -> float:
        """Files read per second. The time to the first rows, and the files in them, do not count.

        If no other files were read yet, all files and the whole time count.
        """
        if self.n_read > self.n_first and self.seconds > self.start_seconds:
            return (self.n_read - self.n_first) / (self.seconds - self.start_seconds)
        return self.n_read / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds for the files that are missing, at the rate so far; None if unknown."""
        if self.n_files is None or not self.n_read:
            return None
        return max(self.n_files - self.n_before - self.n_read, 0) / self.files_per_second

    def to_dict(self) -> dict[str, Any]:
        """Returns the result as plain numbers and strings."""
        return {
            "output": self.output,
            "files": self.n_files,
            "files_before": self.n_before,
            "files_read": self.n_read,
            "rows": self.n_rows,
            "errors": self.n_errors,
            "seconds": round(self.seconds, 3),
            "start_seconds": round(self.start_seconds, 3),
            "files_per_second": round(self.files_per_second, 3),
        }


ReportProgress: TypeAlias = Callable[[BatchResult], None]


def batch(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    model: ModelPaths = DEFAULT_MODEL,
    digits: Digits = "all",
    separators: bool = False,
    threshold: float | None = None,
    shifts: bool = False,
    device: Device = "cpu",
    allow_url: bool = False,
    column: str | None = None,
    format: BatchFormat = "parquet",
    resume: bool = False,
    overwrite: bool = False,
    review: str | os.PathLike[str] | None = None,
    ray: str | None = None,
    workers: int | None = None,
    report_progress: ReportProgress | None = None,
) -> BatchResult:
    """Reads everything in a source into a data set, in constant memory.

        result = inkdigits.batch("scans", "readings")
        table = pyarrow.parquet.read_table("readings")

    A picture that cannot be read is a row with its error. If the batch ends early, by an exception
    or KeyboardInterrupt, what was read is written; a process that is killed loses the seconds since
    the last part. `resume` reads what is missing, and nothing twice.

    Args:
        source: A folder, whose subfolders belong to it; a glob, in which ** stands for subfolders;
            a text file with a path or address in each line; a zip, tar or Parquet file; a PDF or
            TIFF file; or a single picture. Each is a path or an address of fsspec, such as
            s3://bucket/scans.
        output: Folder of the data set, a path or an address of fsspec. `rows.COLUMNS` lists the
            columns.
        model: The path of a model file or run, or a list of them, whose mean is taken.
        digits: As in `Recognizer.read`.
        separators: As in `Recognizer.read`.
        threshold: As in `Recognizer.read`.
        shifts: As in `Recognizer.load`.
        device: As in `Recognizer.load`.
        allow_url: Whether addresses such as https://example.org/seven.png in a list are fetched.
        column: Column of Parquet files with pictures or paths. None: the only one that fits.
        format: "parquet", "csv" or "jsonl".
        resume: Whether to continue an earlier batch with the same settings.
        overwrite: Whether to replace an earlier batch.
        review: Folder on this machine, or shared by the cluster, to which pictures without digits
            or with uncertain ones are copied, for people to review them. None: none.
        ray: Ray cluster: "local" for this machine, "auto", HOST:PORT or ray://HOST:PORT. None:
            threads of this process.
        workers: Number of threads, or of Ray's actors. None: one per core.
        report_progress: Called before the first file and after each file.

    Returns:
        What was read and written.

    Raises:
        UsageError: An option is invalid, the source contains no pictures, or there is no batch to
            resume.
        DataUnavailableError: The source is missing, or its storage cannot be reached any more.
        DataFormatError: An archive, or a part of the data set, is damaged.
        ModelError: The model cannot be used.
        OutputExistsError: The data set exists, without `resume` or `overwrite`.
        OutputError: The data set cannot be written. The parts that were written are complete.
        MissingExtraError: A package of the extra `scale` is missing.
    """
    expects_one_digit(digits)
    check_threshold(threshold)
    if ray is not None:
        check_address(ray)
        load_ray()
    packed = PackedModel.pack(model, shifts=shifts, device=device)
    # Before anything is written or a cluster starts, and with the user's paths in its errors.
    Recognizer.load(_list_models(model), shifts=shifts).check_reads_digits()
    found = find_source(os.fspath(source), column=column, max_bytes=DEFAULT_LIMITS.max_bytes)
    reviewed = None if review is None else ReviewFolder(os.fspath(review)).folder.absolute()
    options = BatchOptions(packed, digits, separators, threshold, allow_url, found.root, reviewed)
    settings = {
        "source": make_absolute(os.fspath(source)),
        "model": packed.sha256,
        "digits": digits,
        "separators": separators,
        "threshold": threshold,
        "shifts": shifts,
    }
    written = make_absolute(os.fspath(output))
    with open_dataset(written, format, settings, resume=resume, overwrite=overwrite) as dataset:
        n_read = n_rows = n_errors = 0
        start_seconds, n_first = 0.0, 0
        started = time.monotonic()
        state = BatchResult(os.fspath(output), found.n_files, len(dataset.read))
        if report_progress is not None:
            report_progress(state)
        with closing(_read(found, options, dataset.read, ray, workers)) as read:
            for files in read:
                seconds = time.monotonic() - started
                if not n_read:
                    start_seconds, n_first = seconds, len(files)
                for rows in files:
                    dataset.add(rows)
                    n_read += 1
                    n_rows += len(rows)
                    n_errors += sum(row["error"] is not None for row in rows)
                state = BatchResult(
                    state.output,
                    state.n_files,
                    state.n_before,
                    n_read,
                    n_rows,
                    n_errors,
                    seconds,
                    start_seconds,
                    n_first,
                )
                if report_progress is not None:
                    report_progress(state)
    return state


def _list_models(model: ModelPaths) -> list[str | os.PathLike[str]]:
    listed = [model] if isinstance(model, str | os.PathLike) else list(model)
    return listed or [DEFAULT_MODEL]


def _read(
    source: BatchSource,
    options: BatchOptions,
    read: Container[str],
    ray: str | None,
    workers: int | None,
) -> Generator[list[list[Row]]]:
    """Yields the rows of each file, of one or several files at a time."""
    if ray is None:
        return read_in_threads(source, options, read, workers=workers)
    from inkdigits.bulk.ray_pool import read_on_ray

    return read_on_ray(source, options, read, address=ray, workers=workers)
