"""What a request about images asks for: read, checked, and its model at hand."""

import time
from dataclasses import dataclass
from typing import Generic

from fastapi import Request

from service.api import bodies, exchange, parts, uploads
from service.api.patience import patience
from service.api.schemas.images import Options
from service.api.uploads import Asked, Upload
from service.core.demand import Demand
from service.core.serving import ServedModel


@dataclass(frozen=True)
class ImageRequest(Generic[Asked]):
    """The images, the options, the model that is to answer, and how long reading took.

    `demand` is how urgent the answer is.
    """

    upload: Upload
    options: Asked
    model: ServedModel
    read_seconds: float
    demand: Demand


async def read_request(request: Request, kind: type[Asked]) -> ImageRequest[Asked]:
    """Read a request whose options are of a kind.

    Raises:
        ImageError: there is no image, or too large a body, or one of no known type.
        InvalidRequest: the body is malformed, an option is unknown or out of its range, or so is a
            check of robustness.
        Overloaded: the images inside will not be classified before it is too late.
        DeadlineExceeded: the body was not there in time.
        BundleError: there is no such model, or it cannot be used.
        RuntimeFailure: the runtime cannot load or run it.
    """
    started = time.perf_counter()
    service = parts.of(request)
    if uploads.is_one_image(bodies.media_type(request.headers)):
        # All options are in the query: what cannot be answered in time is not even read.
        options = uploads.options_of(kind, request.query_params, {})
        demand = _demand(request, options, 1)
        service.admission.expect(demand)
        upload = await uploads.read(request, service.upload_limits, demand.remaining)
    else:
        # The options come with the body, and so does what they say of the time.
        upload = await uploads.read(request, service.upload_limits, service.timeout_ms / 1000)
        options = uploads.options_of(kind, request.query_params, upload.options)
        demand = _demand(request, options, len(upload.images))
    seconds = time.perf_counter() - started
    model = await parts.model_for(request, options)
    return ImageRequest(upload, options, model, seconds, demand)


def _demand(request: Request, options: Options, images: int) -> Demand:
    plain = parts.of(request).timeout_ms / 1000
    seconds = patience(images * options.passes, options.timeout_ms, plain)
    return Demand(options.priority, exchange.of(request).started + seconds)
