"""Checks as text, the same in requests, on the command line and in a manifest.

`NAME[@NORM][:EPS][,PARAMETER=VALUE]...`, as in `pgd@linf:1/255,steps=40`; several stand with
semicolons between them. An eps may be a fraction.
"""

from pydantic import ValidationError

from models.errors import InvalidRequest
from service.core.robustness.adversaries import (
    Apgd,
    DeepFool,
    Fgsm,
    Minimal,
    PgdCheck,
    Smoothing,
    Square,
)  # fmt: skip
from service.core.robustness.check import Check
from service.core.robustness.levels import LEVELS, Level
from service.core.robustness.mishaps import (
    Corruptions,
    CropCheck,
    Jpeg,
    Noise,
    Rotation,
    Translation,
)  # fmt: skip
from service.core.robustness.squeezing import SqueezingCheck

CHECKS: dict[str, type[Check]] = {
    kind.name: kind
    for kind in (
        Fgsm, PgdCheck, Apgd, Square, DeepFool, Minimal, Smoothing, SqueezingCheck, Noise, Jpeg,
        Corruptions, Rotation, Translation, CropCheck,
    )
}  # fmt: skip


def chosen(level: Level | None, checks: str | None = None) -> dict[str, Check]:
    """The checks that are named, else those of a level, else those of `fast`; see `parse`.

    Raises:
        InvalidRequest: see `parse`.
    """
    return parse(LEVELS[level or "fast"] if checks is None else checks)


def parse(text: str) -> dict[str, Check]:
    """Read a list of checks: each by its own text, in order.

    Raises:
        InvalidRequest: a check is unknown or there twice, or a parameter is unknown or out of its
            range.
    """
    parts = [part.strip() for part in text.split(";")]
    twice = next((part for part in parts if parts.count(part) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"check {twice!r} is there more than once")
    return {part: _one(part) for part in parts}


def _one(text: str) -> Check:
    head, *parameters = text.split(",")
    start, colon, eps = head.partition(":")
    name, at, norm = start.partition("@")
    kind = CHECKS.get(name)
    if kind is None:
        raise InvalidRequest(f"there is no check {name!r}; possible ones: {', '.join(CHECKS)}")
    given: dict[str, object] = {}
    if at:
        given["norm"] = norm
    if colon:
        given["eps"] = _number(eps, text)
    for parameter in parameters:
        key, equals, value = (part.strip() for part in parameter.partition("="))
        if not equals or key in given:
            raise InvalidRequest(f"check {text!r}: {parameter.strip()!r} is no PARAMETER=VALUE")
        given[key] = value
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        known = ", ".join(kind.model_fields) or "none"
        raise InvalidRequest(
            f"check {text!r}: {where}: {problem['msg']} (its parameters: {known})"
        ) from error


def _number(text: str, check: str) -> float:
    """A number or a fraction."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / (float(below) if slash else 1)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidRequest(f"check {check!r}: {text!r} is no number or fraction") from error
