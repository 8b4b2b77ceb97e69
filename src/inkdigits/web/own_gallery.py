"""Finds the gallery of the model that a service uses, and has it computed if there is none."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from inkdigits.files import read_limited
from inkdigits.recognition.card import ReaderCard, locate_card
from inkdigits.recognition.recognizer import DEFAULT_MODEL, Recognizer
from inkdigits.web.gallery import GALLERY, hash_models, locate_gallery, name_model

_MAX_BYTES: Final = 1_000_000
_CLOSE_S: Final = 5.0
"""Seconds in which a terminated process ends, before it is killed."""


class OwnGallery:
    """The gallery of a service, computed at most once by a process of low priority.

    The process starts when the gallery is first asked for, and only if MNIST is in the cache. It
    ends with the service.
    """

    def __init__(self, models: Sequence[Path] = ()) -> None:
        """Identifies the models, before their files may change; nothing is started yet.

        Args:
            models: The models that the service loads, as in `hash_models`. Empty: a recognizer
                other than the default one has no gallery of its own.
        """
        self._models = tuple(models)
        self._hash: str | None = None
        with contextlib.suppress(OSError):  # loading the models reports what is wrong
            self._hash = hash_models(self._models)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def describe(self, recognizer: Recognizer) -> dict[str, Any]:
        """Returns the gallery to show, and whose it is.

        Args:
            recognizer: The recognizer of the service.

        Returns:
            A JSON object as `build_gallery` returns it, with in addition `serving`, the name of the
            model that the service uses; `is_own`, whether the mistakes are its own, and not those
            of the default model; `is_pending`, whether its own are being computed.

        Raises:
            OSError: The gallery of the default model cannot be read.
        """
        serving = {"serving": name_model(recognizer)}
        if _is_default(recognizer):
            return {**serving, "is_own": True, "is_pending": False, **_load(GALLERY)}
        with self._lock:
            # Before the file is looked for, which is there once the process has ended.
            is_pending = self._process is not None and self._process.poll() is None
            own = self._find()
            if (
                own is None
                and self._hash is not None
                and self._process is None
                and not recognizer.card.class_names  # of other pictures than MNIST's
                and _has_mnist()
            ):
                self._process = self._start()
                is_pending = True
        if own is not None:
            return {**serving, "is_own": True, "is_pending": False, **own}
        return {**serving, "is_own": False, "is_pending": is_pending, **_load(GALLERY)}

    def close(self) -> None:
        """Ends the process, if it runs."""
        with self._lock:
            process = self._process
        if process is not None:
            process.terminate()
            try:
                process.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _find(self) -> dict[str, Any] | None:
        """Returns the model's own gallery, if it has been computed."""
        if self._hash is not None:
            with contextlib.suppress(OSError, ValueError):  # missing or damaged
                return _load(locate_gallery(self._hash))
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "inkdigits.web.gallery", "--background", "--"]
        return subprocess.Popen(
            [*command, *map(str, self._models)],
            stdin=subprocess.PIPE,  # closed if this process dies, which ends the other
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _is_default(recognizer: Recognizer) -> bool:
    """Returns whether the digits are classified by the reader that comes with inkdigits."""
    return not recognizer.judges_tiles and recognizer.reader.card == ReaderCard.load(
        locate_card(DEFAULT_MODEL)
    )


def _load(path: Path) -> dict[str, Any]:
    gallery: dict[str, Any] = json.loads(read_limited(path, _MAX_BYTES))
    return gallery


def _has_mnist() -> bool:
    """Returns whether MNIST's test images are in the cache; they are not verified."""
    from inkdigits.data.folder import TEST_IMAGES, data_folder, find_file

    return find_file(data_folder(None), TEST_IMAGES) is not None
