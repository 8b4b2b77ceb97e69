"""The program: finds the command, runs it, and turns errors into exit statuses."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

from inkdigits import __version__
from inkdigits.cli import exit_status
from inkdigits.cli.messages import (
    discard_output,
    escape_unprintable,
    print_message,
    show_log,
    timed,
)
from inkdigits.cli.parser import Parser
from inkdigits.cli.shared_options import add_verbose
from inkdigits.errors import InkdigitsError, UsageError

if TYPE_CHECKING:
    import argparse

COMMANDS: Final[Mapping[str, str]] = {
    "train": "train a network with a recipe and save it in a run folder",
    "sweep": "train a recipe with many values of its fields, and find the best",
    "evaluate": "measure models on MNIST's 10,000 test images, or on other pictures",
    "compare": "compare models on the same images: accuracy, size, speed, and where they differ",
    "report": "write an HTML file about a run: layers, curves, mistakes, a map of digits",
    "predict": "read the digits in pictures",
    "batch": "read everything in a folder, an archive or a bucket into a data set",
    "export": "convert the model of a run to another format",
    "adopt": "wrap a network that was trained elsewhere, and find out its scale",
    "data": "show whether MNIST is complete on this machine, and fetch it",
    "benchmark": "measure speed, size and growth, compared with Keras",
    "serve": "serve a web page that reads what you draw, and an HTTP API",
    "recipes": "list the recipes, or show one as JSON",
    "completion": "print a script that completes commands in your shell",
}
"""Summary of each command, by the name of its module; known without importing the module."""


class Command(Protocol):
    """The module of a command.

    Attributes:
        USAGE: The command with its arguments, after "usage:".
        EXAMPLES: Complete commands, for the end of the help.
    """

    USAGE: str
    EXAMPLES: Sequence[str]

    def add_options(self, parser: Parser) -> None:
        """Adds the arguments and options of the command."""

    def run(self, options: argparse.Namespace) -> int:
        """Runs the command and returns the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: All arguments after the name of the program; None takes those of `sys.argv`.

    Returns:
        The exit status, see `exit_status`.

    Raises:
        SystemExit: After --help and --version.
    """
    escape_unprintable()
    is_verbose = False
    try:
        name, options = parse(sys.argv[1:] if arguments is None else arguments)
        is_verbose = options.verbose
        with show_log(verbose=is_verbose), timed(f"inkdigits {name}"):
            status = load_command(name).run(options)
        sys.stdout.flush()
        if arguments is None and name == "predict":
            # Skips the clean-up of the libraries, a tenth of the run time. All files are written.
            sys.stderr.flush()
            os._exit(status)
        return status
    except (Exception, KeyboardInterrupt) as error:
        return report_error(error, with_traceback=is_verbose)


def report_error(error: Exception | KeyboardInterrupt, *, with_traceback: bool) -> int:
    """Prints why a command ended, in one line on stderr.

    Args:
        error: The exception that ended it, while it is handled.
        with_traceback: Whether the traceback comes first. That of a fault of inkdigits always does.

    Returns:
        The exit status.
    """
    if _is_broken_pipe(error):
        # The program that reads the output has closed it, as `head` does.
        discard_output()
        return exit_status.BROKEN_PIPE
    discard_output()
    is_known = isinstance(error, InkdigitsError | KeyboardInterrupt | OSError)
    if with_traceback or not is_known:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InkdigitsError):
        print_message(str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        print_message("stopped")
        return exit_status.INTERRUPTED
    if isinstance(error, OSError):  # the disk is full, a file name is too long
        from inkdigits.files import FULL

        reason = error.strerror or error
        print_message(str(reason) if error.filename is None else f"{error.filename}: {reason}")
        return exit_status.OUTPUT if error.errno in FULL else exit_status.INPUT
    print_message(
        f"a fault in inkdigits {__version__} ({type(error).__name__}): please report it with the "
        "lines above and the command"
    )
    return exit_status.FAULT


def _is_broken_pipe(error: Exception | KeyboardInterrupt) -> bool:
    """Whether stdout was closed by its reader, which Windows reports as an invalid argument."""
    if isinstance(error, BrokenPipeError):
        return True
    is_unnamed = isinstance(error, OSError) and error.filename is None
    return sys.platform == "win32" and is_unnamed and error.errno == errno.EINVAL


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """Finds the command and parses its options.

    Returns:
        The name of the command, and its options.

    Raises:
        UsageError: The command or an option is unknown, or a value is invalid.
        SystemExit: After --help and --version, and after the help that is shown without arguments.
    """
    if not arguments:
        arguments = ["--help"]
    name = arguments[0]
    if name in COMMANDS:
        return name, build_command_parser(name).parse(arguments[1:])
    parser = build_program_parser()
    if not name.startswith("-") or name == "-":
        parser.error(_describe_unknown_command(name))
    parser.parse_known_args([name])  # exits after --help and --version
    command = next((argument for argument in arguments if argument in COMMANDS), None)
    option = name.partition("=")[0]
    if command is not None and build_command_parser(command).has_option(option):
        raise UsageError(
            f"option '{option}' must follow the command: inkdigits {command} {option} ..."
        )
    owners = [known for known in COMMANDS if build_command_parser(known).has_option(option)]
    if owners:
        raise UsageError(
            f"option '{option}' belongs to {', '.join(owners)}: name the command first, as in "
            f"'inkdigits {owners[0]} {option} ...'"
        )
    raise UsageError(parser.describe_unknown_option(option))


def load_command(name: str) -> Command:
    """Imports the module of a command."""
    return cast(Command, import_module(f"inkdigits.cli.{name}"))


def build_command_parser(name: str) -> Parser:
    """Returns the parser of one command."""
    parser = Parser(prog=f"inkdigits {name}")
    _add_command(parser, name)
    return parser


def build_program_parser(*, with_options: bool = False) -> Parser:
    """Returns the parser of the program, whose help lists all commands.

    Args:
        with_options: Adds the options of every command, which imports the modules of all.
    """
    parser = Parser(
        prog="inkdigits",
        usage="inkdigits COMMAND [options]",
        description="Reads handwritten digits in pictures, and trains and evaluates the networks "
        "that read them.",
        epilog="exit statuses:\n"
        f"{exit_status.describe_statuses()}\n\n"
        "'inkdigits COMMAND --help' shows the options of a command, with examples.",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"inkdigits {__version__}",
        help="show the version and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if with_options:
            _add_command(command, name)
    return parser


def _add_command(parser: Parser, name: str) -> None:
    command = load_command(name)
    summary = COMMANDS[name]
    parser.usage = command.USAGE
    parser.description = f"{summary[0].upper()}{summary[1:]}."
    parser.epilog = "examples:\n" + "\n".join(
        f"  {example}".rstrip() for example in command.EXAMPLES
    )
    add_verbose(parser)
    command.add_options(parser)


def _describe_unknown_command(name: str) -> str:
    from inkdigits.suggestions import describe_unknown

    if os.path.exists(name):  # noqa: PTH110 - Path.exists raises for names that are too long
        return f"unknown command {name!r}: did you mean 'inkdigits predict {name}'?"
    if build_program_parser().has_option(f"--{name}"):
        return f"unknown command {name!r}: did you mean 'inkdigits --{name}'?"
    return describe_unknown("command", name, COMMANDS)
