"""Requests to the service and how their answers are read: no input or output over the network.

`Client` and `AsyncClient` both send what these functions make.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypedDict, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from models.errors import InvalidRequest, ServerError
from service.api.patience import patience
from service.api.schemas.classify import Classification, Classifications, Classified
from service.api.schemas.explain import Explanation, TargetsExplanation
from service.api.schemas.feedback import Noted
from service.api.schemas.images import Failed, Problem
from service.api.schemas.robustness import Robustness
from service.api.schemas.similar import Embedded, Similar
from service.core.robustness import examination, notation

Image = str | Path | bytes
"""A photo: the path of its file, or the encoded bytes themselves."""

Result = TypeVar("Result")
Answer = TypeVar("Answer", bound=BaseModel)


class CommonOptions(TypedDict, total=False):
    """Which model sees the photo, and within how many milliseconds its answer is worth having.

    In all options, what is left out or None is the service's to choose.
    """

    model: str | None
    version: int | None
    timeout_ms: int | None


class ClassifyOptions(CommonOptions, total=False):
    """How to classify."""

    top_k: int | None
    coverage: float | None
    sets: Literal["raps", "lac"] | None
    min_probability: float | None
    max_ood_percentile: float | None
    robustness: str | None
    explain: str | None
    map: Literal["numbers", "base64"] | None


class ExplainOptions(CommonOptions, total=False):
    """How to explain.

    `target` is a class index or label, by default the top class, `top1`; `against` another one
    that it is held against; `map` how the numbers are written; `view`, `colours` and `legend`
    how a heat map is drawn; `quality` has the map's faithfulness measured. The rest are
    parameters of methods, docs/explanations.md.
    """

    method: str | None
    target: int | str | None
    against: int | str | None
    quality: bool | None
    map: Literal["numbers", "base64"] | None
    view: Literal["overlay", "map", "beside"] | None
    colours: Literal["ember", "lagoon", "grey"] | None
    legend: bool | None
    signed: bool | None
    samples: int | None
    sigma: float | None
    steps: int | None
    baseline: str | None
    channels: int | None
    window: int | None
    stride: int | None
    masks: int | None
    seed: int | None


class SimilarOptions(CommonOptions, total=False):
    """How many training images are listed."""

    top_k: int | None


class RobustnessOptions(CommonOptions, total=False):
    """How to check an answer: a `level`, or `checks` as in `pgd@linf:1/255; jpeg`.

    `picture` adds what `adversarial` shows.
    """

    level: str | None
    checks: str | None
    seed: int | None
    picture: bool | None


Options = CommonOptions | ClassifyOptions | ExplainOptions | RobustnessOptions | SimilarOptions


@dataclass(frozen=True)
class Picture:
    """A picture as the bytes of a PNG, and what to know about it, if there is anything."""

    png: bytes
    note: str | None


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A POST to `path` with httpx's `arguments`, and how a successful answer is read.

    `passes` are the most that the checks of its images may take, `timeout_ms` what it says itself
    of its time.
    """

    path: str
    read: Callable[[httpx.Response], Result]
    arguments: Mapping[str, Any]
    passes: int = 0
    timeout_ms: int | None = None

    def patience(self, timeout: float) -> float:
        """How many seconds to wait for the answer: as long as the service may take for it.

        Args:
            timeout: seconds to wait for one without checks, and at least.
        """
        return max(timeout, patience(self.passes, self.timeout_ms, timeout))

    def result(self, response: httpx.Response) -> Result:
        """What the response says.

        Raises:
            ServerError: it is an error, or not what this client understands.
        """
        status = response.status_code
        if not response.is_success:
            raise ServerError(_problem(response), status=status)
        try:
            return self.read(response)
        except ValidationError as error:
            raise ServerError(f"{response.url} gave an unreadable answer", status=status) from error


def classify(image: Image, options: ClassifyOptions) -> Call[Classification]:
    """One photo as a raw body."""
    return _numbers("/classify", Classification, image, options)


def classify_many(
    images: Iterable[Image], options: ClassifyOptions
) -> Call[list[Classified | Failed]]:
    """Several photos as one multipart body.

    Raises:
        InvalidRequest: there is none.
    """
    files = [("images", _encoded(image)) for image in images]
    if not files:
        raise InvalidRequest("there is no photo to classify")

    def read(response: httpx.Response) -> list[Classified | Failed]:
        if len(files) == 1:  # the service answers as for a raw body
            return [Classification.model_validate_json(response.content)]
        return Classifications.model_validate_json(response.content).results

    asked = _given(options)
    return Call(
        "/classify",
        read,
        {"files": files, "data": {"options": json.dumps(asked)}},
        len(files) * _passes(asked),
        asked.get("timeout_ms"),
    )


def explain(image: Image, options: ExplainOptions) -> Call[Explanation]:
    """One photo's saliency map, as numbers."""
    return _numbers("/explain", Explanation, image, options)


def explain_targets(
    image: Image, options: ExplainOptions, *, targets: Iterable[int | str]
) -> Call[TargetsExplanation]:
    """One photo's saliency maps for several classes, as numbers."""
    asked = {**_given(options), "targets": list(targets)}
    return _raw("/explain", _parsed(TargetsExplanation), image, asked)


def heat_map(image: Image, options: ExplainOptions) -> Call[Picture]:
    """One photo with its saliency map drawn over it."""
    return _picture("/explain", image, options)


def embed(image: Image, options: CommonOptions) -> Call[Embedded]:
    """One photo as a vector."""
    return _numbers("/embed", Embedded, image, options)


def similar(image: Image, options: SimilarOptions) -> Call[Similar]:
    """The training images that are most like one photo."""
    return _numbers("/similar", Similar, image, options)


def robustness(image: Image, options: RobustnessOptions) -> Call[Robustness]:
    """How easily the answer for one photo is changed."""
    return _numbers("/robustness", Robustness, image, options)


def adversarial(image: Image, options: RobustnessOptions) -> Call[Picture]:
    """One photo's crop, what a check does to it, and the outcome, side by side."""
    return _picture("/robustness", image, options)


def feedback(image_id: str, label: int | str) -> Call[Noted]:
    """What an image of an earlier answer really shows."""
    return Call(
        "/feedback",
        lambda response: Noted.model_validate_json(response.content),
        {"json": {"image_id": image_id, "label": label}},
    )


def _numbers(path: str, answer: type[Answer], image: Image, options: Options) -> Call[Answer]:
    return _raw(path, _parsed(answer), image, _given(options))


def _parsed(answer: type[Answer]) -> Callable[[httpx.Response], Answer]:
    return lambda response: answer.model_validate_json(response.content)


def _picture(path: str, image: Image, options: Options) -> Call[Picture]:
    def read(response: httpx.Response) -> Picture:
        return Picture(response.content, response.headers.get("X-SeeWhy-Note"))

    return _raw(path, read, image, _given(options), accept="image/png")


def _raw(
    path: str,
    read: Callable[[httpx.Response], Result],
    image: Image,
    asked: Mapping[str, Any],
    *,
    accept: str = "application/json",
) -> Call[Result]:
    """One photo as a raw body, its options in the query."""
    arguments = {
        "params": asked,
        "content": _encoded(image),
        "headers": {"Accept": accept, "Content-Type": "application/octet-stream"},
    }
    return Call(path, read, arguments, _passes(asked), asked.get("timeout_ms"))


def _passes(asked: Mapping[str, Any]) -> int:
    """The most that the checks of one image may take; malformed ones the service refuses."""
    level, checks = asked.get("level", asked.get("robustness")), asked.get("checks")
    if level is None and checks is None:
        return 0
    try:
        return examination.passes(notation.chosen(level, checks))
    except (InvalidRequest, KeyError):  # a level that there is not
        return 0


def _given(options: Options) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _encoded(image: Image) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _problem(response: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(response.content).detail
    except ValidationError:  # a proxy's page, say
        return f"{response.url} answered {response.status_code} {response.reason_phrase}"
