"""Reads pictures with rapidocr: the worker process of `compare_ocr.py`.

It runs in rapidocr's own environment, in which inkdigits is not installed. Each line of stdin is a
JSON object with the keys:

- `path`: a picture,
- `one_line`: whether to read the whole picture as one line, without text detection.

For each of them stdout gets one line, a JSON object with the keys:

- `seconds`: time from the path to the text,
- `size`: width and height of the picture in pixels,
- `text`: the whole text in rapidocr's reading order,
- `characters`: for each character its `text` and its `box` (x, y, width, height in pixels; null
  without text detection),
- or only `error`.

    echo '{"path": "picture.png", "one_line": false}' |
      build/ocr/bin/python measurements/read_rapidocr.py tuned
"""

import json
import os
import sys
import time
import warnings
from typing import Any

# The orientation classifier is off, because it turns short lines of digits upside down: 494 was
# read as 365. Of 40 register numbers, 36 were exact without it, 34 with it.
UPRIGHT = {"Global.use_cls": False}
SETTINGS: dict[str, dict[str, Any]] = {
    # Default settings: the shorter side of each picture is enlarged to 736 pixels first. A line of
    # digits that fills its picture is then too large for the text detector.
    "default": {},
    # Only pictures whose longer side exceeds 960 pixels are scaled, down to 960 pixels. Of 12
    # cheques, 11 were exact instead of 4, in a tenth of the time.
    "tuned": {**UPRIGHT, "Det.limit_type": "max", "Det.limit_side_len": 960},
    # The shorter side is enlarged to 160 pixels. Of 40 cheques 34 were exact (tuned: 31), of 40
    # register numbers 33 (tuned: 36).
    "enlarged": {**UPRIGHT, "Det.limit_type": "min", "Det.limit_side_len": 160},
}


def main() -> None:
    """Answers each line of stdin until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps the output of libraries out of the answers
    warnings.simplefilter("ignore")
    from PIL import Image
    from rapidocr import RapidOCR  # type: ignore[import-not-found]

    params = {
        "Global.log_level": "critical",
        "Global.return_word_box": True,
        "Global.return_single_char_box": True,
    }
    engine = RapidOCR(params={**params, **SETTINGS[sys.argv[1]]})
    for line in sys.stdin:
        request = json.loads(line)
        path = request["path"]
        try:
            start = time.perf_counter()
            found = engine(path, use_det=not request["one_line"])
            seconds = time.perf_counter() - start
            with Image.open(path) as picture:
                size = picture.size
            answer = {
                "seconds": seconds,
                "size": size,
                "text": "".join(found.txts or ()),
                "characters": list_characters(found),
            }
        except Exception as error:  # an unknown format; its libraries raise errors of many types
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def list_characters(found: Any) -> list[dict[str, Any]]:
    """Returns each character with its box; without text detection rapidocr has no boxes."""
    if getattr(found, "boxes", None) is None:
        return [{"text": text, "box": None} for text in "".join(found.txts or ())]
    return [
        {"text": text, "box": bound(corners)}
        for line in found.word_results
        for text, _, corners in line
        if corners is not None
    ]


def bound(corners: list[list[float]]) -> list[float]:
    """Returns the bounding box of corners: x, y, width, height."""
    across, down = zip(*corners, strict=True)
    return [*(min(across), min(down)), max(across) - min(across), max(down) - min(down)]


if __name__ == "__main__":
    main()
