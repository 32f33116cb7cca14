"""What a request about images asks for: read, checked, and its model at hand."""

import time
from dataclasses import dataclass
from typing import Generic

from fastapi import Request

from service.api import parts, uploads
from service.api.uploads import Asked, Upload
from service.core.serving import ServedModel


@dataclass(frozen=True)
class ImageRequest(Generic[Asked]):
    """The images, the options, the model that is to answer, and how long reading took."""

    upload: Upload
    options: Asked
    model: ServedModel
    read_seconds: float


async def read_request(request: Request, kind: type[Asked]) -> ImageRequest[Asked]:
    """Read a request whose options are of a kind.

    Raises:
        ImageError: there is no image, or too large a body, or one of no known type.
        InvalidRequest: the body is malformed, or an option is unknown or out of its range.
        BundleError: there is no such model, or it cannot be used.
        RuntimeFailure: the runtime cannot load or run it.
    """
    started = time.perf_counter()
    upload = await uploads.read(request, parts.of(request).upload_limits)
    seconds = time.perf_counter() - started
    options = uploads.options_of(kind, request.query_params, upload)
    return ImageRequest(upload, options, await parts.model_for(request, options), seconds)
