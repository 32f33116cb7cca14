"""The command line: `seewhy --help`."""

import logging
import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from models.errors import SeeWhyError
from seewhy.cli.attack import attack
from seewhy.cli.baselines import baselines
from seewhy.cli.classify import classify
from seewhy.cli.compare import compare
from seewhy.cli.embed import embed
from seewhy.cli.epilog import ALL, epilog
from seewhy.cli.exit_codes import ExitCode
from seewhy.cli.explain import explain
from seewhy.cli.export import export
from seewhy.cli.faithfulness import faithfulness
from seewhy.cli.log import log_group
from seewhy.cli.models import models_group
from seewhy.cli.reasons import reason
from seewhy.cli.score import score
from seewhy.cli.serve import serve
from seewhy.cli.similar import similar
from seewhy.cli.train import train


def main() -> None:
    """The `seewhy` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Carry out one command line and return its exit code; an error is one line on stderr."""
    # Python prints the warnings of loggers without a handler. What these log, the command says.
    for told in ("service.api.problems", "service.core.serving"):
        logging.getLogger(told).addHandler(logging.NullHandler())
    try:
        return _application()(arguments or ["--help"], "seewhy", standalone_mode=False) or 0
    except typer.TyperException as error:
        # typer checks with pydantic, which marks the errors of validators so.
        message, code = error.format_message().replace("Value error, ", ""), error.exit_code
    except OSError as error:
        named = "" if error.filename is None else f"{error.filename}: "
        message, code = f"{named}{reason(error)}", ExitCode.FAILED
    except SeeWhyError as error:
        message, code = str(error), ExitCode.FAILED
    print(f"seewhy: {message}", file=sys.stderr)
    return code


def _application() -> typer.Typer:
    application = typer.Typer(
        epilog=epilog("seewhy classify cat.jpg"),
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    application.callback()(_options)
    application.command(epilog=epilog("seewhy serve --port 8080", ALL))(serve)
    application.command(epilog=epilog("seewhy classify cat.jpg dog.png --top-k 3"))(classify)
    application.command(epilog=epilog("seewhy explain cat.jpg -o heat.png"))(explain)
    application.command(epilog=epilog("seewhy similar cat.jpg --model mine"))(similar)
    application.command(epilog=epilog("seewhy embed cat.jpg dog.png -o photos.npy"))(embed)
    application.command(epilog=epilog("seewhy score photos --output scores"))(score)
    application.command(epilog=epilog("seewhy export --backbone resnet50"))(export)
    application.command(epilog=epilog("seewhy train photos --output build/mine"))(train)
    application.command(epilog=epilog("seewhy baselines photos"))(baselines)
    pair = "--backbone efficientnet_lite0 --backbone efficientnet_lite2"
    application.command(epilog=epilog(f"seewhy compare photos {pair} -o compared.html"))(compare)
    application.command(epilog=epilog("seewhy attack models/zoo/mine/1 photos"))(attack)
    chosen = epilog("seewhy faithfulness models/zoo/mine/1 photos --record")
    application.command(epilog=chosen)(faithfulness)
    application.add_typer(models_group(), name="models")
    application.add_typer(log_group(), name="log")
    return application


def _show_version(asked: bool) -> None:  # noqa: FBT001  # as typer calls it
    if asked:
        print(version_of("seewhy"))
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show it.")
    ] = False,
) -> None:
    """Classify images and see why."""
