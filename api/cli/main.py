"""The entry point: verbs, and how errors become exit statuses (0 done, 1 failed, 2 wrong use, 3 stopped for review)."""

from __future__ import annotations

import os
import sys

from cyclopts import App, CycloptsError, Parameter

from api.cli import applying, audit, backup, demo, keys, reading, routing, running, serving, setup, usage
from engine.errors import SlicehouseError

app = App(
    name="slicehouse",
    help="Analytics for many customers from one account: one DuckDB file per tenant.",
    version="0.1.0",
    default_parameter=Parameter(negative_iterable=()),
)
for module in (setup, routing, running, reading, applying, serving, usage, backup, demo):
    for verb in module.VERBS:
        app.command(verb)
app.command(keys.app)
app.command(audit.app)


def run() -> None:
    """Runs the command and exits; whoever reads its output may stop reading, as `head` does."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
        status = 1
    sys.exit(status)


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    try:
        status = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"slicehouse: {error}", file=sys.stderr)
        return 2
    except SlicehouseError as error:
        print(f"slicehouse: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 1
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    run()
