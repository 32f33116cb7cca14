"""The command line: `seewhy --help`."""

import sys

import typer

from models.errors import SeeWhyError
from seewhy.cli.classify import classify
from seewhy.cli.exit_codes import EPILOG, ExitCode
from seewhy.cli.explain import explain
from seewhy.cli.export import export
from seewhy.cli.models import models_group
from seewhy.cli.serve import serve


def main() -> None:
    """The `seewhy` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code; an error is one line on stderr."""
    try:
        return _application()(arguments or ["--help"], "seewhy", standalone_mode=False) or 0
    except typer.TyperException as error:
        message, code = error.format_message(), error.exit_code
    except (SeeWhyError, OSError) as error:
        message, code = str(error), ExitCode.FAILED
    print(f"seewhy: {message}", file=sys.stderr)
    return code


def _application() -> typer.Typer:
    application = typer.Typer(
        help="Classify images and see why.",
        epilog=EPILOG,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    application.command(epilog=EPILOG)(serve)
    application.command(epilog=EPILOG)(classify)
    application.command(epilog=EPILOG)(explain)
    application.command(epilog=EPILOG)(export)
    application.add_typer(models_group(), name="models")
    return application
