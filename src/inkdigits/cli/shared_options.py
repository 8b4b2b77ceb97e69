"""Options that several commands share.

The metavars DIR, RUN, FILE, PATH, PICTURE and MODEL also tell the shell what to complete, see
`completion`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inkdigits.cli.argument_types import (
    DEVICE_NAMES,
    DIGITS_NAMES,
    Name,
    parse_digits,
    parse_ray_address,
    parse_share,
)

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Options  # a parser, or a group of its options


def add_data(options: Options) -> None:
    """Adds --data."""
    options.add_argument(
        "--data",
        type=Path,
        metavar="PATH",
        help="images of digits with labels: IDX files of MNIST, EMNIST or QMNIST, torchvision's "
        "root, mnist.npz, train.csv, Parquet files, or folders 0 to 9; default: MNIST from the "
        "cache",
    )


def add_recipe(options: Options) -> None:
    """Adds the recipe to train."""
    options.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="name of a recipe, see 'inkdigits recipes', or your own .toml or .py file, which is "
        "executed; default: quick",
    )


def add_teacher(options: Options) -> None:
    """Adds --teacher."""
    options.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar="MODEL",
        help="learn from the outputs of these trained models too, not from labels alone",
    )


def add_training_pictures(options: Options) -> None:
    """Adds --pictures, which a network is trained on."""
    options.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="train on the single digits of these labelled pictures too, such as corrections",
    )


def add_json(options: Options) -> None:
    """Adds --json."""
    options.add_argument("--json", action="store_true", help="print JSON")


def add_quiet(options: Options) -> None:
    """Adds --quiet."""
    options.add_argument("--quiet", action="store_true", help="print no progress")


def add_verbose(options: Options) -> None:
    """Adds --verbose."""
    options.add_argument(
        "--verbose",
        action="store_true",
        help="print how long each step takes, and the traceback of an error",
    )


def add_force(options: Options, *, replaced: str) -> None:
    """Adds --force.

    Args:
        options: The parser or group.
        replaced: What it replaces, such as "the file in --output".
    """
    options.add_argument(
        "--force",
        action="store_true",
        help=f"replace {replaced}, if it exists already; other files are kept",
    )


def add_models(options: Options) -> None:
    """Adds --model, which may be given several times."""
    options.add_argument(
        "--model",
        action="append",
        default=[],
        type=Path,
        metavar="MODEL",
        help="run folder or model file; several --model: their mean; default: the model that comes "
        "with inkdigits",
    )


def add_shifts(options: Options) -> None:
    """Adds --shifts."""
    options.add_argument(
        "--shifts",
        action="store_true",
        help="classify each digit at nine positions, one pixel apart, and take the mean: more "
        "accurate, nine times the work",
    )


def add_device(options: Options) -> None:
    """Adds --device."""
    options.add_argument(
        "--device",
        type=Name("device", DEVICE_NAMES),
        default="cpu",
        metavar="DEVICE",
        help=f"where ONNX models run: {', '.join(DEVICE_NAMES)}; auto is the first of the others "
        "that ONNX Runtime has here; without it, the CPU takes its place; default: cpu",
    )


def add_digits(options: Options) -> None:
    """Adds --digits."""
    options.add_argument(
        "--digits",
        type=parse_digits,
        choices=DIGITS_NAMES,
        default="all",
        help="one: expect exactly one digit in each picture; default: all",
    )


def add_separators(options: Options) -> None:
    """Adds --separators."""
    options.add_argument(
        "--separators",
        action="store_true",
        help="read points, commas, dashes, slashes and plus signs too, as in 12-05-2024",
    )


def add_allow_url(options: Options) -> None:
    """Adds --allow-url."""
    options.add_argument(
        "--allow-url",
        action="store_true",
        help="fetch pictures that are given as http or https addresses",
    )


def add_threshold(options: Options) -> None:
    """Adds --threshold."""
    options.add_argument(
        "--threshold",
        type=parse_share,
        metavar="P",
        help="lowest probability at which a digit is read, 0 to 1; default: the model's own",
    )


def add_ray(options: Options, *, work: str) -> None:
    """Adds --ray.

    Args:
        options: The parser or group.
        work: What Ray does, such as "train the trials".
    """
    options.add_argument(
        "--ray",
        nargs="?",
        const="local",
        type=parse_ray_address,
        metavar="ADDRESS",
        help=f"{work} on Ray: on this machine, or on the cluster at ADDRESS, such as auto or "
        "HOST:PORT",
    )
