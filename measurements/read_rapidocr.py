"""A general OCR package reads pictures: the worker behind `compare_ocr.py`.

It runs in rapidocr's own environment, which knows nothing of inkdigits. Each line of stdin is a
JSON object: the `path` of a picture, and `one_line`, whether to take it whole for one line of text,
without looking for text in it. Each line of stdout answers one: `seconds` from the path to the
text, `size` (width and height of the picture, pixels), `text`, all that was read in rapidocr's own
reading order, and `characters`, each with `text` and `box` (x, y, width, height in pixels; null
where no text was looked for); or `error`.

    echo '{"path": "picture.png", "one_line": false}' |
      build/ocr/bin/python measurements/read_rapidocr.py tuned
"""

import json
import os
import sys
import time
import warnings
from typing import Any

# Which way up a line stands is not looked for: the classifier that does it turns short lines of
# digits upside down, 494 to 365. Of 40 register numbers, 36 were exact without it, 34 with it.
UPRIGHT = {"Global.use_cls": False}
SETTINGS: dict[str, dict[str, Any]] = {
    # As it is installed: the shorter side of each picture is enlarged to 736 pixels first. A line
    # of digits that fills its picture then outgrows what the text detector was made for.
    "default": {},
    # The other of its two ways to scale: only pictures whose longer side is beyond 960 pixels are
    # scaled, down to it. Of 12 cheques, 11 were exact, not 4, in a tenth of the time.
    "tuned": {**UPRIGHT, "Det.limit_type": "max", "Det.limit_side_len": 960},
    # The shorter side is enlarged to 160 pixels: of 40 cheques 34 were exact, 31 as tuned; of 40
    # register numbers 33, 36 as tuned.
    "enlarged": {**UPRIGHT, "Det.limit_type": "min", "Det.limit_side_len": 160},
}


def main() -> None:
    """Answers line by line until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
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
        except Exception as error:  # a format that it does not know, whatever its library raises
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def list_characters(found: Any) -> list[dict[str, Any]]:
    """Each character with its box; of a single line rapidocr gives none."""
    if getattr(found, "boxes", None) is None:
        return [{"text": text, "box": None} for text in "".join(found.txts or ())]
    return [
        {"text": text, "box": bound(corners)}
        for line in found.word_results
        for text, _, corners in line
        if corners is not None
    ]


def bound(corners: list[list[float]]) -> list[float]:
    """The upright rectangle around some corners: x, y, width, height."""
    across, down = zip(*corners, strict=True)
    return [*(min(across), min(down)), max(across) - min(across), max(down) - min(down)]


if __name__ == "__main__":
    main()
