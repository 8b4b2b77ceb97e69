"""The command line: one function per verb, which parses, calls one function and prints.

Results go to stdout, everything else to stderr. The exit status is 0 where all went well, 1 where
a picture holds no digit, 2 on an error, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
import io
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inkdigits import __version__
from inkdigits.errors import InkdigitsError, PictureError, UsageError

if TYPE_CHECKING:
    from inkdigits.recognition import Reading, Recognizer

# What a folder is searched for; those of formats that are refused get their error.
PICTURE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif", ".jp2"),
)
EXIT_OK, EXIT_NO_DIGIT, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: As after the program's name; None takes them from `sys.argv`.

    Returns:
        The exit status.
    """
    _escape_what_cannot_be_printed()
    parser = _build_parser()
    try:
        options = _parse(parser, sys.argv[1:] if arguments is None else arguments)
        status: int = options.run(options)
        sys.stdout.flush()
        if arguments is None and options.run is _run_predict:
            # Nothing is left to save, and to take the libraries apart would be a tenth of the time.
            sys.stderr.flush()
            os._exit(status)
        return status
    except InkdigitsError as error:
        print(f"inkdigits: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("inkdigits: stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has closed it, as `head` does.
        _discard_output()
        return 128 + signal.SIGPIPE
    except OSError as error:  # a full disk under our output, a name longer than a name may be
        _discard_output()
        print(f"inkdigits: {error}", file=sys.stderr)
        return EXIT_ERROR


def _escape_what_cannot_be_printed() -> None:
    """Lets both streams write any text, such as file names, whatever their encoding is.

    On a terminal that knows ASCII only, "█" comes out as an escape sequence and not as an error.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Leaves Python's exit nothing to flush where stdout cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_train(options: argparse.Namespace) -> int:
    from inkdigits.training import resume, train

    if options.resume is not None:
        given = (options.recipe, options.seed, options.data, options.pictures, options.output)
        if options.set or options.teacher or any(value is not None for value in given):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --set, --data, --pictures, --teacher and --output out"
            )
        run = resume(options.resume, progress=not options.quiet)
    else:
        run = train(
            options.recipe or "quick",
            overrides=options.set,
            seed=options.seed or 0,
            data=options.data,
            pictures=options.pictures,
            teachers=options.teacher,
            output=options.output,
            progress=not options.quiet,
        )
    figures = json.loads(run.card.read_bytes())["figures"]
    if options.json:
        print(json.dumps({"run": str(run.folder), "figures": figures}, indent=2))
    else:
        rows: list[tuple[str, object]] = [("run", run.folder)]
        if "digits_right" in figures:  # a reader's, of the digits on validation pages
            shown = ["digits_right", "digits_wrong", "digits_missed", "digits_invented"]
        else:
            shown = ["training_accuracy", "validation_accuracy"]
        rows += [(name.replace("_", " "), f"{figures[name]:.2%}") for name in shown]
        rows.append(("fitting", f"{figures['fit_seconds']:.1f} s on {figures['cores']} cores"))
        if (curves := run.folder / "curves.png").exists():
            rows.append(("curves", curves))
        rows.append(("model", run.onnx_model))
        for title, value in rows:
            print(f"{title:19}  {value}")
    return EXIT_OK


def _run_evaluate(options: argparse.Namespace) -> int:
    if options.target is not None and options.pictures is None:
        raise UsageError("--target belongs to --pictures: give a folder of labelled pictures too")
    if options.limit is not None and options.suite is None:
        raise UsageError("--limit belongs to --suite: name a suite too")
    if options.pictures is not None or options.suite is not None:
        if options.pictures is not None and options.suite is not None:
            raise UsageError("--pictures and --suite are two evaluations: give one of them")
        if len(options.models) > 1 and not options.ensemble:
            raise UsageError(
                "--pictures and --suite measure one model at a time, or several as one: --ensemble"
            )
        evaluated = _run_pictures if options.suite is None else _run_suite
        recognizer = _load_recognizer(*options.models, shifts=options.shifts)
        return evaluated(options, recognizer.adapt(threshold=options.threshold))
    if options.threshold is not None:
        raise UsageError("--threshold is for reading pictures: give --pictures or --suite too")
    from inkdigits.evaluation import evaluate, summarise

    rows = []
    for models in [options.models] if options.ensemble else [[m] for m in options.models] or [[]]:
        name = " + ".join(map(str, models)) or "default model"
        output = options.output
        if output is not None and len(models) < len(options.models):
            output = output / "-".join(models[0].resolve().parts[-2:])
        elif output is None and len(models) == 1 and _is_run(models[0]):
            output = models[0] / "evaluation"
        recognizer = _load_recognizer(*models, shifts=options.shifts)
        if models and not recognizer.judges_tiles:
            raise UsageError(
                f"{name} is a reader of whole pictures: measure it with --suite mnist, another "
                "suite, or --pictures"
            )
        evaluation = evaluate(recognizer, data=options.data, output=output)
        card = recognizer.card
        rows.append(
            {
                "model": name,
                "recipe": card.recipe["name"],
                "seed": card.seed,
                "shifts": options.shifts,
                "figures": card.figures,
                "evaluation": evaluation.to_json(),
            }
        )
        if not options.json:
            print(f"{name} on MNIST's test images\n{evaluation.to_table()}\n")
        if output is not None:
            _log(f"report in {output}")
    accuracies = summarise([row["evaluation"]["accuracy"] for row in rows])
    if options.json:
        summary = {"accuracy_mean": accuracies.mean, "accuracy_sd": accuracies.sd, "models": rows}
        print(json.dumps(summary, indent=2))
    elif len(rows) > 1:
        print(f"Accuracy over all: {accuracies}")
    return EXIT_OK


def _run_pictures(options: argparse.Namespace, recognizer: Recognizer) -> int:
    from inkdigits.evaluation import evaluate_pictures, write_picture_report
    from inkdigits.evaluation.rejection import DEFAULT_TARGET

    def report_progress(done: int, n: int) -> None:
        if done % 50 == 0 or done == n:
            _log(f"{done} of {n} pictures read")

    evaluation = evaluate_pictures(
        options.pictures,
        recognizer,
        one_digit=options.digits == "one",
        target=DEFAULT_TARGET if options.target is None else options.target,
        report_progress=report_progress,
    )
    print(json.dumps(evaluation.to_json(), indent=2) if options.json else evaluation.to_table())
    if options.output is not None:
        write_picture_report(evaluation, options.output, limits=recognizer.limits)
        _log(f"report with a sheet of each kind of mistake in {options.output}")
    return EXIT_OK


def _run_suite(options: argparse.Namespace, recognizer: Recognizer) -> int:
    from inkdigits.evaluation import SUITES

    if options.suite not in SUITES:
        raise UsageError(f"{options.suite!r} is no suite: {_suggest(options.suite, list(SUITES))}")

    def report(name: str, done: int, n: int) -> None:
        if done == n:
            _log(f"{options.suite}: {name} measured")
        elif done % 1_000 == 0:
            _log(f"{options.suite}: {done} of {n} pictures of {name} read")

    result = SUITES[options.suite](recognizer, limit=options.limit, report_progress=report)
    print(json.dumps(result.to_json(), indent=2) if options.json else result.to_table())
    return EXIT_OK


def _run_predict(options: argparse.Namespace) -> int:
    # NumPy's linear algebra sees no matrix larger than 3 × 3 here: its threads would only take
    # time to start. It asks for this once, when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    pictures = [name for given in (*options.pictures, *options.image) for name in _list_in(given)]
    if not pictures:
        raise UsageError("no picture given: name at least one, as in 'inkdigits predict seven.png'")
    written = {"--csv": options.csv, "--annotate": options.annotate, "--tiles": options.tiles}
    for name, path in written.items():
        if path is not None and path.exists():
            raise UsageError(f"{path} exists already: choose another name for {name}")
        if path is not None and name != "--csv" and len(pictures) > 1:
            raise UsageError(f"{name} draws one picture, and {len(pictures)} are given")
    recognizer = _load_recognizer(*options.model, shifts=options.shifts)
    readings = recognizer.read_many(
        pictures,
        one_digit=options.digits == "one",
        separators=options.separators,
        threshold=options.threshold,
    )
    status = EXIT_OK
    with contextlib.ExitStack() as stack:
        write_row = None if options.csv is None else stack.enter_context(_open_csv(options.csv))
        for number, (picture, reading) in enumerate(zip(pictures, readings, strict=True)):
            row: dict[str, Any] = {"file": picture}
            if isinstance(reading, PictureError):
                row["error"] = str(reading)
                status = EXIT_ERROR
                if not options.json:
                    _log(str(reading))
            else:
                _draw(recognizer, picture, reading, options)
                row |= reading.to_json()
                if not reading.text:
                    status = max(status, EXIT_NO_DIGIT)
                if not options.json:
                    prefix = picture if len(pictures) > 1 else None
                    _print_reading(prefix, reading, options.probabilities)
            if options.json:  # one list, whose rows are printed as they come
                indented = textwrap.indent(json.dumps(row, indent=2), "  ")
                print(",\n" if number else "[\n", indented, sep="", end="")
            if write_row is not None:
                write_row(row)
    if options.json:
        print("\n]")
    return status


def _run_export(options: argparse.Namespace) -> int:
    from inkdigits.training import export

    print(export(options.source, options.format, output=options.output))
    return EXIT_OK


def _run_data(options: argparse.Namespace) -> int:
    from inkdigits.data import check_mnist, fetch_mnist

    if options.fetch:
        fetch_mnist(directory=options.data, progress=not options.quiet)
    files = check_mnist(options.data)
    whole = all(file.state == "whole" for file in files)
    if options.json:
        rows = [{**vars(file), "path": str(file.path)} for file in files]
        print(json.dumps({"whole": whole, "files": rows}, indent=2))
    else:
        print(f"MNIST in {files[0].path.parent}")
        for file in files:
            size = f"{file.size_bytes:>12,} bytes" if file.size_bytes else ""
            print(f"  {file.state:8} {file.name:26}{size}")
        if not whole:
            _log("MNIST is not whole here: fetch it with 'inkdigits data --fetch'")
    return EXIT_OK if whole else EXIT_NO_DIGIT


def _run_benchmark(options: argparse.Namespace) -> int:
    import tempfile

    from inkdigits.benchmark import BENCHMARKS, FULL, SLICE, Workplace, describe_machine
    from inkdigits.training import Run

    for name in options.names:
        if name not in BENCHMARKS:
            raise UsageError(f"{name!r} is no benchmark: {_suggest(name, list(BENCHMARKS))}")
    if options.model is not None:
        Run.open(options.model)  # before anything is measured
    machine = describe_machine()
    if not options.json:
        print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
        if options.slice:
            print("A slice: everything is tiny, so that no figure means anything.", flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="inkdigits-benchmark-") as folder:
        place = Workplace(Path(folder), SLICE if options.slice else FULL, options.model)
        for name in options.names or BENCHMARKS:
            _log(f"{name} is being measured")
            results.append(BENCHMARKS[name](place))
            if not options.json:
                print(f"\n{results[-1].to_table()}", flush=True)
    if options.json:
        rows = [result.to_json() for result in results]
        print(json.dumps({"machine": machine, "slice": options.slice, "results": rows}, indent=2))
    return EXIT_OK


def _run_serve(options: argparse.Namespace) -> int:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in _run_predict
    from inkdigits.web import Settings, serve
    from inkdigits.web.settings import ANY_HOST, LOCAL_HOSTS

    is_local = options.host in ("localhost", "127.0.0.1", "::1")
    names = options.allowed_host or (LOCAL_HOSTS if is_local else [ANY_HOST])
    given = {name: value for name, value in vars(options).items() if value is not None}
    limits = {field.name: given[field.name] for field in fields(Settings) if field.name in given}
    settings = Settings(
        **limits,
        api_key=_find_api_key(options.api_key_file),
        corrections=options.keep_corrections,
        allowed_hosts=tuple(names),
    )

    def report_address(address: str) -> None:
        print(f"inkdigits serves {address} and its API at {address}docs; Ctrl-C stops it")
        sys.stdout.flush()
        if not is_local and not options.allowed_host and settings.api_key is None:
            _log(
                "warning: everybody who reaches this machine may have pictures read; see "
                "--api-key-file and --allowed-host"
            )
        if not options.no_browser:
            _open_browser(address)

    def load_recognizer() -> Recognizer:
        return _load_recognizer(*options.model).adapt(threshold=options.threshold)

    serve(
        load_recognizer,
        settings,
        host=options.host,
        port=options.port,
        report_address=report_address,
    )
    return EXIT_OK


def _find_api_key(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get("INKDIGITS_API_KEY") or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{file} cannot be read as a key ({reason})") from error


def _open_browser(address: str) -> None:
    import threading
    import webbrowser

    # Some browsers stay in the foreground, and the service must not wait for them.
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _run_recipes(options: argparse.Namespace) -> int:
    from inkdigits.training.reader_recipes import READER_RECIPES, ReaderRecipe, find_recipe
    from inkdigits.training.recipes import RECIPES, Recipe

    recipes: list[Recipe | ReaderRecipe] = [*RECIPES.values(), *READER_RECIPES.values()]
    if options.recipe is not None:
        print(json.dumps(find_recipe(options.recipe).to_json(), indent=2))
    elif options.json:
        print(json.dumps([recipe.to_json() for recipe in recipes], indent=2))
    else:
        for recipe in recipes:
            print(f"{recipe.name:20} {recipe.summary}")
    return EXIT_OK


def _load_recognizer(*models: Path, shifts: bool = False) -> Recognizer:
    """A recognizer of any form, or of several; those of ONNX load no training framework."""
    from inkdigits.recognition import Recognizer, add_shifts, combine

    if shifts:
        return add_shifts(_load_recognizer(*models))
    if not models:
        return Recognizer.load()
    if len(models) > 1:
        return combine([_load_recognizer(model) for model in models])
    if models[0].suffix == ".onnx" or _is_run(models[0]):
        return Recognizer.load(models[0])
    from inkdigits.training import load_recognizer

    return load_recognizer(models[0])


def _list_in(given: str) -> list[str]:
    """The pictures in a folder, by name; anything else is taken for a picture itself."""
    path = Path(given)
    try:
        if not path.is_dir():
            return [given]
        pictures = sorted(
            str(file) for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES
        )
    except (OSError, ValueError):  # ValueError: a null character in the name
        return [given]  # whose error will say more where it is read
    if not pictures:
        raise UsageError(
            f"{given} is a folder without pictures: expected files such as {given}/seven.png"
        )
    return pictures


def _is_run(path: Path) -> bool:
    return (path / "settings.json").is_file()


def _print_reading(name: str | None, reading: Reading, with_probabilities: bool) -> None:
    prefix = "" if name is None else f"{name}: "
    if reading.reason is not None:
        print(f"{prefix}no digit: {reading.reason}")
    else:
        lines = reading.text.replace("\n", "\n" + " " * len(prefix))
        print(f"{prefix}{lines}  ({reading.confidence:.1%})")
    if with_probabilities:
        for digit in reading.digits:
            print(f"  {digit.character or 'no digit'}" + f": {digit.reason}" * bool(digit.reason))
            for name, share in digit.class_probabilities.items():
                print(f"  {name:5}  {share:7.2%}  {'█' * round(30 * share)}".rstrip())
    for note in reading.notes:
        _log(f"{prefix}{note}")


def _draw(
    recognizer: Recognizer, picture: str, reading: Reading, options: argparse.Namespace
) -> None:
    """Writes what --annotate and --tiles ask for."""
    if options.annotate is None and options.tiles is None:
        return
    from inkdigits.files import write_whole
    from inkdigits.recognition.decoding import decode_picture
    from inkdigits.recognition.drawing import draw_boxes, draw_tiles

    drawn = []
    if options.annotate is not None:
        pixels = decode_picture(picture, recognizer.limits).pixels
        drawn.append((options.annotate, draw_boxes(pixels, reading)))
    if options.tiles is not None:
        drawn.append((options.tiles, draw_tiles(reading)))
    for path, image in drawn:
        with write_whole(path, overwrite=False) as temporary:
            image.save(temporary)
        _log(f"drawn in {path}")


@contextlib.contextmanager
def _open_csv(path: Path) -> Iterator[Callable[[dict[str, Any]], object]]:
    """Gives what writes a row; the file is there once all rows are."""
    from inkdigits.files import write_whole

    columns = ("file", "text", "confidence", "reason", "error")
    with (
        write_whole(path, overwrite=False) as temporary,
        # A name of a file that is not valid UTF-8 is written with the bytes that it has.
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        yield writer.writerow


def _log(message: str) -> None:
    sys.stdout.flush()  # so that the two streams keep their order where they meet
    print(f"inkdigits: {message}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that every error leaves through `main`."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see '{self.prog} --help'")


def _parse(parser: _Parser, arguments: Sequence[str]) -> argparse.Namespace:
    verbs: dict[str, _Parser] = parser.get_default("verbs")
    given = arguments[0] if arguments else None
    if given is not None and not given.startswith("-") and given not in verbs:
        raise UsageError(f"{given!r} is no verb: {_suggest(given, list(verbs))}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        known = verbs.get(str(given), parser)._option_string_actions
        name = unknown[0].partition("=")[0]
        raise UsageError(f"{name!r} is no option here: {_suggest(name, list(known))}")
    if not hasattr(options, "run"):
        parser.print_help()
        raise SystemExit(EXIT_OK)
    return options


def _suggest(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(known)}"


def _build_parser() -> _Parser:
    parser = _Parser(
        prog="inkdigits",
        description="Handwritten digits, from MNIST to your own photo.",
        epilog="'inkdigits VERB --help' shows each verb's options with examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"inkdigits {__version__}")
    added = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=_Parser)
    verbs: dict[str, _Parser] = {}
    parser.set_defaults(verbs=verbs)

    def add_verb(name: str, run: Any, summary: str, *examples: str) -> _Parser:
        verb: _Parser = added.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="examples:\n" + "\n".join(f"  inkdigits {example}" for example in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        verb.set_defaults(run=run)
        verbs[name] = verb
        return verb

    train = add_verb(
        "train",
        _run_train,
        "train a recipe, in a run folder of its own",
        "train quick",
        "train reader",
        "train dropout --seed 1 --output runs/mine",
        "train classic --set epochs=3 --set batch_size=64",
        "train pictures --pictures my-corrections",
        "train small --teacher runs/pictures",
        "train --resume runs/classic",
    )
    train.add_argument("recipe", nargs="?", metavar="RECIPE", help="default: quick")
    train.add_argument("--seed", type=_seed, help="default: 0")
    train.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="override a field"
    )
    train.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="train on the single digits of these labelled pictures too, such as corrections",
    )
    train.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="learn what these trained models see in each tile, beside its label",
    )
    train.add_argument("--output", type=Path, metavar="DIR", help="default: runs/RECIPE")
    train.add_argument("--resume", type=Path, metavar="RUN", help="continue an interrupted run")
    _add_data(train)
    _add_json(train)
    train.add_argument("--quiet", action="store_true", help="report no progress")

    evaluate = add_verb(
        "evaluate",
        _run_evaluate,
        "measure models on MNIST's 10,000 test images",
        "evaluate",
        "evaluate runs/quick",
        "evaluate runs/dropout runs/dropout-2 runs/dropout-3 --json",
        "evaluate runs/best runs/best-2 runs/small --ensemble --shifts",
        "evaluate model.h5 --output report",
        "evaluate --pictures my-pictures --output report",
        "evaluate --suite corruptions --limit 1000",
    )
    evaluate.add_argument(
        "models",
        nargs="*",
        type=Path,
        metavar="RUN or MODEL",
        help="run folders or model files; several give mean ± SD; default: the default model",
    )
    evaluate.add_argument(
        "--ensemble", action="store_true", help="take the mean of all models as one model"
    )
    _add_shifts(evaluate)
    evaluate.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the report; a run has its own"
    )
    evaluate.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="read labelled pictures instead: a manifest.csv, or subfolders 0 to 9 and none",
    )
    evaluate.add_argument(
        "--target",
        type=float,
        metavar="SHARE",
        help="of --pictures: recommend the lowest threshold at which this share of the pictures "
        "kept is exact; default: 0.99",
    )
    _add_digits(evaluate)
    _add_threshold(evaluate)
    evaluate.add_argument(
        "--suite",
        metavar="NAME",
        help="another benchmark instead: corruptions, digits8x8, marks, mnist or pages",
    )
    evaluate.add_argument(
        "--limit", type=int, metavar="N", help="of --suite: read only N pictures for each row"
    )
    _add_data(evaluate)
    _add_json(evaluate)

    predict = add_verb(
        "predict",
        _run_predict,
        "read the digits in pictures",
        "predict photo.jpg",
        "predict photo.jpg --annotate boxes.png --tiles tiles.png",
        "predict seven.png --digits one",
        "predict date.jpg --separators --threshold 0.8",
        "predict --image seven.png --model runs/quick",
        "predict scans/*.jpg --csv readings.csv",
        "predict scans --json",
        "predict seven.png --json",
    )
    predict.add_argument(
        "pictures", nargs="*", metavar="PICTURE", help="a file, or a folder of them"
    )
    predict.add_argument(
        "--image", action="append", default=[], metavar="PICTURE", help="the same, as an option"
    )
    predict.add_argument(
        "--model",
        action="append",
        default=[],
        type=Path,
        metavar="RUN or MODEL",
        help="default: the one inside inkdigits; of several, the mean is taken",
    )
    _add_shifts(predict)
    _add_digits(predict)
    _add_threshold(predict)
    predict.add_argument(
        "--separators",
        action="store_true",
        help="read points, commas, dashes, slashes and plus signs too, as in 12-05-2024",
    )
    predict.add_argument(
        "--annotate", type=_picture_name, metavar="FILE", help="draw boxes, digits, confidences"
    )
    predict.add_argument(
        "--tiles", type=_picture_name, metavar="FILE", help="draw what the network saw"
    )
    predict.add_argument(
        "--probabilities",
        action="store_true",
        help="show the probability of each digit, of each other mark and of none too",
    )
    predict.add_argument("--csv", type=Path, metavar="FILE", help="write a row per picture too")
    _add_json(predict)

    export = add_verb(
        "export",
        _run_export,
        "write the model of a run in another form",
        "export runs/quick --format h5",
        "export runs/quick --format savedmodel --output served/model.savedmodel",
    )
    export.add_argument("source", type=Path, metavar="RUN", help="or a .keras or .h5 file")
    export.add_argument(
        "--format",
        required=True,
        help="keras, h5, onnx, onnx-int8, savedmodel or litert",
        metavar="FORMAT",
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="default: beside the run's other models"
    )

    data = add_verb(
        "data",
        _run_data,
        "say where MNIST lies and whether it is whole, and fetch it",
        "data",
        "data --fetch",
        "data --data ~/Downloads/mnist",
    )
    data.add_argument("--fetch", action="store_true", help="fetch what is missing or damaged")
    _add_data(data)
    _add_json(data)
    data.add_argument("--quiet", action="store_true", help="report no progress")

    benchmark = add_verb(
        "benchmark",
        _run_benchmark,
        "measure speed, size and growth, with Keras beside it",
        "benchmark",
        "benchmark cold-start latency",
        "benchmark throughput --model runs/pictures --json",
    )
    benchmark.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="fit, fit-process, cold-start, throughput, latency, size, growth or machine; "
        "default: all, which takes about half an hour",
    )
    benchmark.add_argument(
        "--model",
        type=Path,
        metavar="RUN",
        help="the run whose network reads; default: quick is trained for it",
    )
    benchmark.add_argument(
        "--slice", action="store_true", help="everything tiny: to see that it works, not how fast"
    )
    _add_json(benchmark)

    serve = add_verb(
        "serve",
        _run_serve,
        "open a page that reads what you draw or drop there, and an HTTP API",
        "serve",
        "serve --model runs/quick --keep-corrections my-corrections",
        "serve --host 0.0.0.0 --port 80 --no-browser --api-key-file key.txt",
    )
    serve.add_argument(
        "--model",
        action="append",
        default=[],
        type=Path,
        metavar="RUN or MODEL",
        help="default: the one inside inkdigits; of several, the mean is taken",
    )
    _add_threshold(serve)
    serve.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: this machine alone"
    )
    serve.add_argument("--port", type=_port, default=8000, help="0 takes a free one; default: 8000")
    serve.add_argument("--no-browser", action="store_true", help="do not open the page")
    serve.add_argument(
        "--keep-corrections",
        type=Path,
        metavar="DIR",
        help="keep what users correct, as a folder for 'inkdigits evaluate --pictures'",
    )
    serve.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="ask for the key in this file; or in the environment variable INKDIGITS_API_KEY",
    )
    serve.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="name under which the service may be addressed; default: of a local address its own "
        "names, else any",
    )
    for name, kind, metavar, summary in (
        ("max-bytes", int, "N", "length of a request; default: 20,000,000"),
        ("max-pixels", int, "N", "of a picture; default: 20,000,000"),
        ("max-pictures", int, "N", "in one request; default: 64"),
        ("max-tiles", int, "N", "in one request of the Open Inference Protocol; default: 1024"),
        ("max-requests", int, "N", "being answered at the same time; default: 256"),
        ("max-client-requests", int, "N", "the same of one client; default: 128"),
        ("max-connections", int, "N", "open at the same time; default: 1024"),
        ("max-client-connections", int, "N", "the same of one client; default: 256"),
        ("max-held-bytes", int, "N", "of all requests in memory; default: 400,000,000"),
        ("max-waiting", int, "N", "calls of the network that wait; default: 512"),
        ("max-batch", int, "N", "tiles that the network sees at once; default: 64"),
        ("requests-per-minute", int, "N", "of one client; default: as many as it likes"),
        ("deadline-s", float, "S", "seconds to the answer; default: 30"),
        ("body-timeout-s", float, "S", "seconds for a request to arrive; default: 60"),
    ):
        serve.add_argument(f"--{name}", type=kind, metavar=metavar, help=summary)

    recipes = add_verb(
        "recipes",
        _run_recipes,
        "list the recipes, or show one whole",
        "recipes",
        "recipes dropout",
    )
    recipes.add_argument("recipe", nargs="?", metavar="RECIPE")
    _add_json(recipes)
    return parser


def _add_data(verb: _Parser) -> None:
    verb.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with the four IDX files, raw or gzipped; default: the cache",
    )


def _add_json(verb: _Parser) -> None:
    verb.add_argument("--json", action="store_true", help="print JSON for machines")


def _add_shifts(verb: _Parser) -> None:
    verb.add_argument(
        "--shifts",
        action="store_true",
        help="mean over nine places of each digit, one pixel apart: surer, and nine times the work",
    )


def _add_digits(verb: _Parser) -> None:
    verb.add_argument(
        "--digits",
        choices=("any", "one"),
        default="any",
        help="one: expect exactly one digit in each picture; default: any",
    )


def _add_threshold(verb: _Parser) -> None:
    verb.add_argument(
        "--threshold",
        type=_share,
        metavar="P",
        help="least probability of a digit that is read, 0 to 1; default: the model's own",
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"invalid share {text!r}: expected a number from 0 to 1")
    return share


def _picture_name(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tiff"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a picture, such as boxes.png")
    return path


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: expected 0 to 65535")
    return port


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: expected 0 to 4294967295")
    return seed
