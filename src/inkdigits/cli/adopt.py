"""`inkdigits adopt`: wraps a network that was trained elsewhere."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.cli import exit_status
from inkdigits.cli.messages import print_message
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_data, add_force, add_json
from inkdigits.errors import UsageError

if TYPE_CHECKING:
    from inkdigits.training import Adoption

USAGE = "inkdigits adopt FILE [--output DIR] [options]"
EXAMPLES = (
    "inkdigits adopt mnist_model.h5",
    "inkdigits adopt mnist.onnx --output runs/theirs",
    "inkdigits adopt saved_model/ --json",
)


def add_options(parser: Parser) -> None:
    """Adds the arguments and options of the command."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="FILE",
        help="Keras file (.keras, .h5, .hdf5), .onnx, .tflite, or the folder of a SavedModel, that "
        "takes 28 × 28 pixels on any scale and returns ten probabilities or logits",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to write; default: runs/NAME of the file, with a number if that exists",
    )
    add_force(parser, replaced="the run in --output")
    add_data(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    from inkdigits.training import adopt

    if options.force and options.output is None:
        raise UsageError("--force replaces the run in --output: name its folder")
    adoption = adopt(
        options.model, output=options.output, overwrite=options.force, data=options.data
    )
    if options.json:
        print(json.dumps(adoption.to_json(), indent=2))
        return exit_status.OK
    _print_table(options.model, adoption)
    print_message(
        f"adopted in {adoption.run.folder}: as in 'inkdigits predict seven.png --model "
        f"{adoption.run.folder}'"
    )
    return exit_status.OK


def _print_table(model: Path, adoption: Adoption) -> None:
    shape = ", ".join("n" if side is None else str(side) for side in adoption.input_shape)
    kinds = {
        "none": "probabilities",
        "softmax": "logits",
        "share": "probabilities whose sum is not 1",
    }
    print(
        f"{model}: {adoption.format}, input ({shape}) {adoption.input_type}, output ten "
        f"{kinds[adoption.activation]}"
    )
    print(f"{'scale':44} accuracy    loss  validation digits")
    for trial in adoption.trials:
        mark = "  <- found" if trial.encoding == adoption.found.encoding else ""
        print(
            f"{trial.encoding:44} {trial.accuracy:8.2%} {trial.loss:7.3f}  {trial.n_digits:,}{mark}"
        )
