"""The command line, `inkdigits COMMAND`.

`program` finds the command and turns errors into exit statuses. Each command is a module of its
own, with `USAGE`, `EXAMPLES`, `add_options` and `run`; only the module of the command that was
called is imported. Results go to stdout, everything else to stderr.
"""

from inkdigits.cli.program import main

__all__ = ["main"]
