"""Which of two media types a client would rather have."""

from starlette.datastructures import Headers


def prefers(headers: Headers, special: str, usual: str) -> bool:
    """Whether `Accept` (RFC 9110, section 12.5.1) rates `special` above `usual`.

    It may come in several lines. What it does not mention, or rates equally, gets the usual type.
    """
    ranges = _ranges(",".join(headers.getlist("accept")))
    return _quality(special, ranges) > _quality(usual, ranges)


def _ranges(accept: str) -> dict[str, float]:
    ranges = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        ranges[media_range] = quality
    return ranges


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    family = media_type.partition("/")[0] + "/*"
    for media_range in (media_type, family, "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
