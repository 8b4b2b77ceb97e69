"""What each kind of picture costs a bulk reading, and what a second worker brings.

The pictures are those of `bulk.py`.

1. Notes are read by `inkdigits batch` with one and with two workers, in threads and on Ray.
2. Each kind of picture is read by itself, with one thread: core-milliseconds and bytes of each.
3. The rows per second that one process can write.

    python measurements/bulk_costs.py                           # three rounds of 400 notes
    python measurements/bulk_costs.py --files 100 --rounds 1    # minutes

Run it while nothing else runs. Needs `inkdigits[dev]` and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from bulk import COLLECTION, run_batch
from bulk_pictures import draw_collection

from inkdigits.benchmark.machine import describe_machine

WAYS: Final[dict[str, list[str]]] = {"threads": [], "ray": ["--ray"]}


def main() -> int:
    """Runs the measurement and prints its result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--files", type=int, default=400, help="notes for one and two workers; default: 400"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    # Notes are 85 % of a collection, and 60 pages of PDF files are needed.
    n_pictures = max(2 * options.files, 1_200)
    folder = COLLECTION.with_name(f"{COLLECTION.name}-{n_pictures}")
    draw_collection(folder, n_pictures)
    notes = sorted(folder.absolute().glob("notes-*/*.png"))[: options.files]
    result = {
        "machine": describe_machine(),
        "scaling": measure_scaling(notes, options.rounds),
        "kinds": measure_kinds(folder),
        "writer": measure_writer(),
    }
    print(json.dumps(result, indent=2) if options.json else describe(result))
    return 0


def measure_scaling(notes: Sequence[Path], n_rounds: int) -> dict[str, Any]:
    """Reads the same notes with one and two threads, and one and two of Ray's workers.

    Other processes of the machine disturb single runs, so one and two workers take turns, and the
    ratio is the median over the rounds.
    """
    rounds: list[dict[str, dict[str, Any]]] = []
    result: dict[str, Any] = {"files": len(notes), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as temporary:
        listed = Path(temporary, "notes.txt")
        listed.write_text("\n".join(map(str, notes)), encoding="utf-8")
        for number in range(n_rounds):
            runs = {}
            for way, flags in WAYS.items():
                for workers in (1, 2):
                    output = Path(temporary, f"{number}-{way}-{workers}")
                    run = run_batch(listed, output, "--workers", str(workers), *flags)
                    kept = ("seconds", "pictures_per_second", "core_ms_per_picture")
                    runs[f"{way}_{workers}"] = {key: run[key] for key in kept}
            rounds.append(runs)
    for way in WAYS:
        rates = [
            [runs[f"{way}_{workers}"]["pictures_per_second"] for workers in (1, 2)]
            for runs in rounds
        ]
        result[f"{way}_two_over_one"] = round(statistics.median(b / a for a, b in rates), 3)
    return {**result, "rounds": rounds}


def measure_kinds(folder: Path, n_pictures: int = 60) -> dict[str, Any]:
    """Core-milliseconds and bytes of a picture of each kind, with one thread in this process."""
    from inkdigits.bulk.batch_items import BatchItem
    from inkdigits.bulk.file_reader import BatchOptions, FileReader
    from inkdigits.bulk.packed_model import PackedModel

    reader = FileReader(BatchOptions(PackedModel.pack(())))
    result: dict[str, Any] = {}
    for kind in ("notes", "photographs", "pages"):
        paths = sorted(folder.absolute().glob(f"{kind}-*/*.*"))
        paths = paths[: n_pictures if kind != "pages" else n_pictures // 5]
        reader.read(BatchItem(str(paths[0])))
        before = os.times()
        n_rows = sum(len(reader.read(BatchItem(str(path)))) for path in paths)
        after = os.times()
        # user, system, and those of the ended processes that draw PDF pages
        used = sum(after[index] - before[index] for index in range(4))
        result[kind] = {
            "pictures": n_rows,
            "core_ms_per_picture": round(1000 * used / n_rows, 1),
            "bytes_per_picture": round(sum(path.stat().st_size for path in paths) / n_rows),
        }
    return result


def measure_writer(n_rows: int = 20_000, n_digits: int = 6) -> dict[str, float]:
    """Rows per second that Ray's driver can take, and bytes of a row in Parquet."""
    from inkdigits.bulk.dataset import encode_part

    random = np.random.default_rng(0)

    def draw_digit() -> dict[str, Any]:
        box = random.integers(1, 900, 4).tolist()
        confidence = round(float(random.beta(20, 1)), 6)
        return {
            "digit": int(random.integers(10)),
            "box": box,
            "confidence": confidence,
            "reason": None,
        }

    answers = [
        json.dumps(
            {
                "address": f"s3://archive/scans/shelf-{number // 1000:05}/page-{number:08}.png",
                "page": None,
                "text": f"{number:06}",
                "confidence": (number * 7919 % 100_000) / 100_000,
                "digits": [draw_digit() for _ in range(n_digits)],
                "reason": None,
                "error": None,
                "milliseconds": 100 + number % 97 / 10,
                "model": 64 * "0",
                "reviewed": False,
            }
        )
        for number in range(n_rows)
    ]
    started = time.process_time()
    encoded = encode_part("parquet", [json.loads(answer) for answer in answers])
    used = time.process_time() - started
    return {
        "rows_per_core_second": round(n_rows / used),
        "bytes_per_row": round(len(encoded) / n_rows, 1),
    }


def describe(result: dict[str, Any]) -> str:
    """The result in some lines."""
    scaling = result["scaling"]
    lines = [f"{way}: two workers over one {scaling[f'{way}_two_over_one']}" for way in WAYS]
    lines += [
        f"{kind}: {cost['core_ms_per_picture']} core-ms, {cost['bytes_per_picture']:,} bytes each"
        for kind, cost in result["kinds"].items()
    ]
    writer = result["writer"]
    lines.append(
        f"writer: {writer['rows_per_core_second']:,} rows a core-second, "
        f"{writer['bytes_per_row']} bytes each"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
