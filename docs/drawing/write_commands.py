"""Writes `reference/commands.md` from the parser of the command line: every command and option.

python docs/drawing/write_commands.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from inkdigits.cli.parser import Parser
from inkdigits.cli.program import COMMANDS, build_command_parser

PAGE = Path(__file__).parents[1] / "reference" / "commands.md"
ALSO_IN_EVERY_COMMAND = ("help", "verbose")
OPENING = """# All commands and options
`docs/drawing/write_commands.py` writes this page from the parser. `inkdigits COMMAND --help` prints
the same. [The command line](command-line.md) explains exit statuses, names of outputs and
`--force`.

Every command has `--help`, and `--verbose`, which prints how long each step takes, and the
traceback of an error. `inkdigits --version` prints the version.
"""


def describe_commands() -> str:
    """Returns the page."""
    rows = [f"| [`{name}`](#{name}) | {_escape(what)} |" for name, what in COMMANDS.items()]
    overview = "\n".join(["| command | what it does |", "|---|---|", *rows])
    parts = [describe_command(name, build_command_parser(name)) for name in COMMANDS]
    return "\n".join([OPENING, overview, "", *parts])


def describe_command(name: str, parser: Parser) -> str:
    """Returns the section of one command: usage, a table for each group of options, examples."""
    lines = [f"## {name}", f"{parser.description}", ""]
    lines += ["```", f"{parser.usage}", "```", ""]
    for group in parser._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS and action.dest not in ALSO_IN_EVERY_COMMAND
        ]
        if actions:
            lines += [f"| {group.title} | |", "|---|---|"]
            lines += [
                f"| {_name(action)} | {_escape(_explain(parser, action))} |" for action in actions
            ]
            lines.append("")
    examples = (parser.epilog or "").removeprefix("examples:\n")
    return "\n".join([*lines, "```", *(line.strip() for line in examples.splitlines()), "```", ""])


def _name(action: argparse.Action) -> str:
    """Returns how the option is written, with its value."""
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(
        f"`{f'{option} {value}'.strip()}`".replace("|", "\\|") for option in action.option_strings
    )


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    name = action.metavar
    if name is None:
        choices = action.choices
        name = action.dest.upper() if choices is None else f"{{{','.join(map(str, choices))}}}"
    if isinstance(name, tuple):
        name = " ".join(name)
    if action.nargs == "?" and action.option_strings:
        return f"[{name}]"
    return f"{name} ..." if action.nargs in ("+", "*") else name


def _explain(parser: Parser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action)


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(describe_commands(), encoding="utf-8")
    print(PAGE)
