"""The command line: one function per verb, which parses, calls one function and prints.

Results go to stdout, everything else to stderr. The exit status is 0 where all went well, 1 where
a picture holds no digit, 2 on an error, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inkdigits import __version__
from inkdigits.errors import InkdigitsError, PictureError, UsageError

if TYPE_CHECKING:
    from inkdigits.recognition import Reading, Recognizer

EXIT_OK, EXIT_NO_DIGIT, EXIT_ERROR, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: As after the program's name; None takes them from `sys.argv`.

    Returns:
        The exit status.
    """
    parser = _build_parser()
    try:
        options = _parse(parser, sys.argv[1:] if arguments is None else arguments)
        status: int = options.run(options)
        sys.stdout.flush()
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


def _discard_output() -> None:
    """Leaves Python's exit nothing to flush where stdout cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_train(options: argparse.Namespace) -> int:
    from inkdigits.training import resume, train

    if options.resume is not None:
        started_with = (options.recipe, options.seed, options.data, options.output)
        if options.set or any(value is not None for value in started_with):
            raise UsageError(
                "--resume continues a run with the settings it was started with: leave the "
                "recipe, --seed, --set, --data and --output out"
            )
        run = resume(options.resume, progress=not options.quiet)
    else:
        run = train(
            options.recipe or "quick",
            overrides=options.set,
            seed=options.seed or 0,
            data=options.data,
            output=options.output,
            progress=not options.quiet,
        )
    figures = json.loads(run.card.read_bytes())["figures"]
    if options.json:
        print(json.dumps({"run": str(run.folder), "figures": figures}, indent=2))
    else:
        print(f"run                  {run.folder}")
        print(f"training accuracy    {figures['training_accuracy']:.2%}")
        print(f"validation accuracy  {figures['validation_accuracy']:.2%}")
        print(f"fitting              {figures['fit_seconds']:.1f} s on {figures['cores']} cores")
        print(f"curves               {run.folder / 'curves.png'}")
        print(f"model                {run.onnx_model}")
    return EXIT_OK


def _run_evaluate(options: argparse.Namespace) -> int:
    if options.pictures is not None or options.suite is not None:
        if options.pictures is not None and options.suite is not None:
            raise UsageError("--pictures and --suite are two evaluations: give one of them")
        if len(options.models) > 1:
            raise UsageError("--pictures and --suite measure one model at a time")
        model = options.models[0] if options.models else None
        evaluated = _run_pictures if options.suite is None else _run_suite
        return evaluated(options, _load_recognizer(model))
    from inkdigits.evaluation import evaluate, summarise

    rows = []
    for model in options.models or [None]:
        output = options.output
        if output is not None and len(options.models) > 1:
            output = output / "-".join(model.resolve().parts[-2:])
        elif output is None and model is not None and _is_run(model):
            output = model / "evaluation"
        recognizer = _load_recognizer(model)
        evaluation = evaluate(recognizer, data=options.data, output=output)
        name, card = str(model or "default model"), recognizer.card
        rows.append(
            {
                "model": name,
                "recipe": card.recipe["name"],
                "seed": card.seed,
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
    from inkdigits.evaluation import draw_picture_mistakes, evaluate_pictures
    from inkdigits.files import write_whole

    evaluation = evaluate_pictures(options.pictures, recognizer, one_digit=options.digits == "one")
    print(json.dumps(evaluation.to_json(), indent=2) if options.json else evaluation.to_table())
    if options.output is not None:
        sheet = options.output / "picture_mistakes.png"
        with write_whole(sheet) as temporary:
            draw_picture_mistakes(evaluation).save(temporary)
        _log(f"all mistakes with their tiles in {sheet}")
    return EXIT_OK


def _run_suite(options: argparse.Namespace, recognizer: Recognizer) -> int:
    from inkdigits.evaluation import SUITES

    if options.suite not in SUITES:
        raise UsageError(f"{options.suite!r} is no suite: {_suggest(options.suite, list(SUITES))}")

    def report(name: str, done: int, n: int) -> None:
        if done == n:
            _log(f"{options.suite}: {name} measured")

    result = SUITES[options.suite](recognizer, report_progress=report)
    print(json.dumps(result.to_json(), indent=2) if options.json else result.to_table())
    return EXIT_OK


def _run_predict(options: argparse.Namespace) -> int:
    pictures = [*options.pictures, *options.image]
    if not pictures:
        raise UsageError("no picture given: name at least one, as in 'inkdigits predict seven.png'")
    written = {"--csv": options.csv, "--annotate": options.annotate, "--tiles": options.tiles}
    for name, path in written.items():
        if path is not None and path.exists():
            raise UsageError(f"{path} exists already: choose another name for {name}")
        if path is not None and name != "--csv" and len(pictures) > 1:
            raise UsageError(f"{name} draws one picture, and {len(pictures)} are given")
    recognizer = _load_recognizer(options.model)
    rows: list[dict[str, Any]] = []
    for picture in pictures:
        try:
            reading = recognizer.read(picture, one_digit=options.digits == "one")
            _draw(recognizer, picture, reading, options)
        except PictureError as error:
            rows.append({"file": picture, "error": str(error)})
            if not options.json:
                _log(str(error))
            continue
        rows.append({"file": picture, **reading.to_json()})
        if not options.json:
            _print_reading(picture if len(pictures) > 1 else None, reading, options.probabilities)
    if options.json:
        print(json.dumps(rows, indent=2))
    if options.csv is not None:
        _write_csv(options.csv, rows)
    if any("error" in row for row in rows):
        return EXIT_ERROR
    return EXIT_OK if all(row["text"] for row in rows) else EXIT_NO_DIGIT


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


def _run_recipes(options: argparse.Namespace) -> int:
    from inkdigits.training.recipes import RECIPES, get_recipe

    if options.recipe is not None:
        print(json.dumps(get_recipe(options.recipe).to_json(), indent=2))
    elif options.json:
        print(json.dumps([recipe.to_json() for recipe in RECIPES.values()], indent=2))
    else:
        for recipe in RECIPES.values():
            print(f"{recipe.name:20} {recipe.summary}")
    return EXIT_OK


def _load_recognizer(model: Path | None) -> Recognizer:
    """A recognizer of any form; those of ONNX load no training framework."""
    from inkdigits.recognition import Recognizer

    if model is None:
        return Recognizer.load()
    if model.suffix == ".onnx" or _is_run(model):
        return Recognizer.load(model)
    from inkdigits.training import load_recognizer

    return load_recognizer(model)


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
            for label, share in enumerate(digit.probabilities):
                print(f"  {label}  {share:7.2%}  {'█' * round(30 * float(share))}".rstrip())
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


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    from inkdigits.files import write_whole

    columns = ("file", "text", "confidence", "reason", "error")
    with (
        write_whole(path, overwrite=False) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


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
        "train a recipe on MNIST, in a run folder of its own",
        "train quick",
        "train dropout --seed 1 --output runs/mine",
        "train classic --set epochs=3 --set batch_size=64",
        "train --resume runs/classic",
    )
    train.add_argument("recipe", nargs="?", metavar="RECIPE", help="default: quick")
    train.add_argument("--seed", type=_seed, help="default: 0")
    train.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="override a field"
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
        "evaluate model.h5 --output report",
        "evaluate --pictures my-pictures --output report",
        "evaluate --suite corruptions",
    )
    evaluate.add_argument(
        "models",
        nargs="*",
        type=Path,
        metavar="RUN or MODEL",
        help="run folders or model files; several give mean ± SD; default: the default model",
    )
    evaluate.add_argument(
        "--output", type=Path, metavar="DIR", help="folder of the report; a run has its own"
    )
    evaluate.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="read labelled pictures instead: a manifest.csv, or subfolders 0 to 9 and none",
    )
    _add_digits(evaluate)
    evaluate.add_argument(
        "--suite", metavar="NAME", help="another benchmark instead: corruptions or digits8x8"
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
        "predict --image seven.png --model runs/quick",
        "predict scans/*.jpg --csv readings.csv",
        "predict seven.png --json",
    )
    predict.add_argument("pictures", nargs="*", metavar="PICTURE")
    predict.add_argument(
        "--image", action="append", default=[], metavar="PICTURE", help="the same, as an option"
    )
    predict.add_argument(
        "--model", type=Path, metavar="RUN or MODEL", help="default: the one inside inkdigits"
    )
    _add_digits(predict)
    predict.add_argument(
        "--annotate", type=_picture_name, metavar="FILE", help="draw boxes, digits, confidences"
    )
    predict.add_argument(
        "--tiles", type=_picture_name, metavar="FILE", help="draw what the network saw"
    )
    predict.add_argument(
        "--probabilities", action="store_true", help="show all ten probabilities too"
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
        "--format", required=True, help="keras, h5, onnx, savedmodel or litert", metavar="FORMAT"
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


def _add_digits(verb: _Parser) -> None:
    verb.add_argument(
        "--digits",
        choices=("any", "one"),
        default="any",
        help="one: expect exactly one digit in each picture; default: any",
    )


def _picture_name(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tiff"):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a picture, such as boxes.png")
    return path


def _seed(text: str) -> int:
    try:
        seed = int(text)
    except ValueError:
        seed = -1
    if not 0 <= seed < 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed: expected 0 to 4294967295")
    return seed
