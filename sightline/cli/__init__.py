"""The ``sightline`` command, after clig.dev.

Each command's module is imported when it runs, and what it needs (FastAPI, Faust, SQLAlchemy, CEL) inside it, so
that ``--help`` answers at once. Exit codes: 0 done, 1 a check found something, 2 a user's mistake, 3 a part of the
system is away, 4 stuck or not to be stopped otherwise (``sightline.deadline``), 130 interrupted.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from services.errors import SightlineError, Stuck, Unavailable
from sightline.cli import (
    backups,
    catalogue,
    demo,
    imports,
    keys,
    lookups,
    mapping,
    query,
    rebuild,
    serve,
    sources,
    support,
)
from sightline.cli.output import fail
from sightline.deadline import EXIT_STUCK


def _version(wanted: bool) -> None:  # noqa: FBT001  # as typer calls it
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sightline {version('sightline')}")
        raise typer.Exit


app = typer.Typer(
    name="sightline",
    help="Live KPIs from operational events, judged against plan.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with [bold]sightline demo[/bold], or [bold]sightline init my-company/[/bold].",
    rich_markup_mode="rich",
)


@app.callback()
def _common(
    version: Annotated[  # the callback answers
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Typer wants options of the command itself on a function."""


app.command("demo")(demo.demo)
app.command("up")(serve.up)
app.command("run")(serve.run)
app.command("init")(catalogue.init)
app.command("lint")(catalogue.lint)
app.command("test")(catalogue.test)
app.command("diff")(catalogue.diff)
app.command("apply")(catalogue.apply)
app.command("import")(imports.import_)
app.command("kpis")(query.kpis)
app.command("contributors")(query.contributors)
app.command("cases")(query.cases)
app.command("sources")(sources.sources)
app.command("reconcile")(sources.reconcile)
app.command("rebuild")(rebuild.rebuild)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.command("doctor")(support.doctor)
app.command("config")(support.config)
app.add_typer(mapping.app, name="map")
app.add_typer(lookups.app, name="lookups")
app.add_typer(keys.app, name="keys")


def _code(error: SightlineError) -> int:
    if isinstance(error, Stuck):
        return EXIT_STUCK
    return 3 if isinstance(error, Unavailable) else 2


def main() -> None:
    """Run the command line; a user's mistake ends with a message and an exit code, never with a stack trace."""
    gc.set_threshold(
        50_000, 20, 20
    )  # objects come in thousands and go together: a tenth of all time otherwise
    try:
        app()
    except SightlineError as error:
        fail(error)
        sys.exit(_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
