"""`inkdigits completion`: prints a script that completes commands in the shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from inkdigits.cli import exit_status
from inkdigits.cli.argument_types import Name
from inkdigits.cli.parser import Parser

SHELL_NAMES = ("bash", "zsh", "tcsh", "fish")
USAGE = "inkdigits completion SHELL"
EXAMPLES = (
    "# bash, with the package bash-completion",
    "mkdir -p ~/.local/share/bash-completion/completions",
    "inkdigits completion bash > ~/.local/share/bash-completion/completions/inkdigits",
    "",
    "# zsh, with 'fpath=(~/.zfunc $fpath)' before compinit in ~/.zshrc",
    "mkdir -p ~/.zfunc",
    "inkdigits completion zsh > ~/.zfunc/_inkdigits",
    "",
    "# tcsh, with 'source ~/.inkdigits.tcsh' in ~/.tcshrc",
    "inkdigits completion tcsh > ~/.inkdigits.tcsh",
    "",
    "# fish",
    "inkdigits completion fish > ~/.config/fish/completions/inkdigits.fish",
)

# With the scripts of shtab 1.13, these shells complete only the first of several arguments.
_REPLACEMENTS = {"zsh": ('"(*)::', '"*:'), "tcsh": ("'p/*/()/'", "'p/*/f/'")}


def add_options(parser: Parser) -> None:
    """Adds the argument of the command."""
    parser.description = (
        "Print a script that completes commands, options, files and names in your shell. Save it "
        "where the shell loads it from, as in the examples, and start a new shell."
    )
    parser.add_argument(
        "shell", type=Name("shell", SHELL_NAMES), metavar="SHELL", help=", ".join(SHELL_NAMES)
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command and returns the exit status."""
    import shtab

    from inkdigits.cli.program import build_program_parser

    parser = build_program_parser(with_options=True)
    for action in _list_actions(parser):
        if isinstance(action.type, Name):
            action.choices = action.type.names
        elif action.metavar == "RECIPE":
            action.choices = _list_recipes()
        elif action.metavar in ("FILE", "MODEL", "PATH", "PICTURE"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in ("DIR", "RUN"):
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    script = shtab.complete(parser, options.shell)
    if options.shell in _REPLACEMENTS:
        script = script.replace(*_REPLACEMENTS[options.shell])
    print(script)
    return exit_status.OK


def _list_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Lists the arguments and options of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _list_actions(command)


def _list_recipes() -> list[str]:
    from inkdigits.training.recipes import READER_RECIPES, RECIPES

    return [*RECIPES, *READER_RECIPES]
