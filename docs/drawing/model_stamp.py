"""Notes in pictures, notebooks and pages with which models they were made, for a test.

`make docs` draws them all anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from inkdigits.recognition import DEFAULT_MODEL

KEY = "models"
"""Name of the text chunk of a PNG file, and of the entry in the metadata of a notebook."""


def hash_models() -> dict[str, str]:
    """Returns the SHA-256 of each model in the package, by the name of its file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(DEFAULT_MODEL).parent.glob("*.onnx"))
    }


def save_picture(picture: Image.Image, path: Path) -> None:
    """Writes a PNG file with the hashes of the models."""
    stamp = PngImagePlugin.PngInfo()
    stamp.add_text(KEY, json.dumps(hash_models()))
    picture.save(path, optimize=True, pnginfo=stamp)


def save_animation(frames: list[Image.Image], durations: list[int], path: Path) -> None:
    """Writes an animated WebP file with the hashes of the models, repeated without end.

    Args:
        frames: Frames of the same size, RGB.
        durations: Milliseconds that each frame is shown.
        path: The file to write.
    """
    encoded = io.BytesIO()  # so that a picture from before stays if this is stopped
    frames[0].save(
        encoded,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=80,
        method=4,
        xmp=f"{KEY}: {json.dumps(hash_models())}".encode(),
    )
    path.write_bytes(encoded.getvalue())


def format_stamp() -> str:
    """Returns the hashes of the models as text, for a comment in a page."""
    return f"{KEY}: {json.dumps(hash_models())}"


def stamp_notebook(notebook: Any) -> None:
    """Adds the hashes of the models to the metadata of a notebook."""
    notebook.metadata[KEY] = hash_models()


def read_stamp(path: Path) -> dict[str, str] | None:
    """Returns the hashes in a PNG or WebP file, a notebook or a page; None if it has none."""
    if path.suffix == ".md":
        hashes = _find_stamp(path.read_text(encoding="utf-8").partition("\n")[0])
    elif path.suffix == ".webp":
        with Image.open(path) as picture:
            hashes = _find_stamp(picture.info.get("xmp", b"").decode())
    elif path.suffix == ".ipynb":
        hashes = json.loads(path.read_text(encoding="utf-8"))["metadata"].get(KEY)
    else:
        with Image.open(path) as picture:
            text = getattr(picture, "text", {}).get(KEY)
        hashes = None if text is None else json.loads(text)
    return hashes


def _find_stamp(text: str) -> dict[str, str] | None:
    found = re.search(KEY + r": (\{.*\})", text)
    return None if found is None else json.loads(found[1])
