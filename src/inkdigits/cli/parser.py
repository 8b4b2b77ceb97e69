"""The argument parser of the program and of its commands."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from inkdigits.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of lists and examples, and aligns the commands with the options."""

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):
            return "".join(self._format_action(command) for command in action._get_subactions())
        return super()._format_action(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):  # a command that is wrapped cannot be copied
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return "\n".join(_wrap(indent + line, width) for line in text.splitlines())


def _wrap(line: str, width: int) -> str:
    """Wraps a line of text, or of a list, where further lines begin below the second word."""
    import textwrap

    beginning = re.match(r"( +\S+ +)?", line)
    hanging = " " * len(beginning[0]) if beginning is not None else ""
    return textwrap.fill(line, width, subsequent_indent=hanging)


class Parser(argparse.ArgumentParser):
    """Raises UsageError for wrong arguments instead of exiting, and suggests similar options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, "allow_abbrev": False, **settings})

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parses the arguments of a command; options and pictures may come in any order.

        Args:
            arguments: All arguments after the name of the command.

        Returns:
            The values of all options.

        Raises:
            UsageError: An option is unknown, or a value is missing, invalid or superfluous.
        """
        # The intermixed parser of Python 3.11 takes what follows "--" for options.
        parse = self.parse_known_args if "--" in arguments else self.parse_known_intermixed_args
        options, unknown = parse(arguments)
        for argument in unknown:
            if argument.startswith("-"):
                raise UsageError(self.describe_unknown_option(argument))
        if unknown:
            self.error(f"unexpected argument {unknown[0]!r} for '{self.prog}'")
        return options

    def has_option(self, name: str) -> bool:
        """Returns whether the parser has an option of that name."""
        return name in self._option_string_actions

    def describe_unknown_option(self, argument: str) -> str:
        """Describes an option that the parser lacks, with the most similar ones that it has."""
        from inkdigits.suggestions import ask_for, find_nearest

        name = argument.partition("=")[0]
        # Without dashes, which would make all options similar.
        known = {option.strip("-"): option for option in self._option_string_actions}
        described = f"unknown option {name!r} for '{self.prog}'"
        nearest = [known[found] for found in find_nearest(name.strip("-"), known)]
        if not nearest:
            return f"{described}; see '{self.prog} --help'"
        return f"{described}: {ask_for(nearest)}"

    def error(self, message: str) -> NoReturn:
        """Raises UsageError with the message of argparse."""
        if not message.endswith("?"):  # which suggests a name already
            message += f"; see '{self.prog} --help'"
        raise UsageError(message)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # The method of argparse ignores errors, such as a full disk.
        print(message, end="", file=sys.stderr if file is None else file)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exits after --help and --version.

        Raises:
            SystemExit: Always, unless stdout cannot be written.
            OSError: stdout is closed or its disk is full.
        """
        sys.stdout.flush()
        super().exit(status, message)
