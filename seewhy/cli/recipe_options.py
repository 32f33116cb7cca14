"""An option of the command line for each field of a recipe."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_origin

import typer
from pydantic import ValidationError

from training.recipe import Recipe, flag


def added(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes them as keywords, an option for each field of a recipe."""
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    both = [*own, *(_option(name) for name in Recipe.model_fields)]
    command.__signature__ = signature.replace(parameters=both)  # type: ignore[attr-defined]
    return command


def recipe(given: dict[str, Any]) -> Recipe:
    """What the options ask for.

    Raises:
        typer.BadParameter: a value is out of its range.
    """
    try:
        return Recipe(**given)
    except ValidationError as error:
        problem = error.errors()[0]
        raise typer.BadParameter(
            f"{flag(str(problem['loc'][0]))} {problem['input']}: {problem['msg']}"
        ) from error


def _option(name: str) -> inspect.Parameter:
    field = Recipe.model_fields[name]
    several = get_origin(field.annotation) is tuple
    kind: Any = list[str] if several else field.annotation
    default = list(field.default) if several else field.default
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer.Option(flag(name), help=field.description)],
    )
