"""Every error that SeeWhy raises on purpose.

```
SeeWhyError
├── ImageError                 what was sent cannot be used as an image
│   ├── EmptyImage             no bytes at all
│   ├── UnsupportedFormat      not JPEG, PNG, WebP, GIF, BMP or TIFF
│   ├── CorruptImage           the content is broken or cut off
│   ├── UnreadableImage        its file is not there, or may not be read
│   └── ImageTooLarge          more bytes or more pixels than allowed
├── InvalidRequest             the request is malformed, or a parameter is out of its range
│   ├── UnknownClass           a target names no class of the model
│   ├── SameClass              a target is what it is held against, or the image's answer already
│   ├── UploadTooLarge         a file for a job, or a body without images, is too long
│   └── Unsupported            the bundle has not got what the request needs
├── DataError                  images given as a folder, table or shards cannot be used
├── OutputError                results cannot be written, or stand where others would go
├── BundleError                a bundle cannot be used
│   ├── BundleNotFound         no such name or version in the repository
│   ├── BundleInvalid          a file is missing, altered or contradicts the manifest
│   ├── NotRobust              attacks leave less of its accuracy than was asked for
│   └── GoldenMismatch         this provider computes something else than the bundle's reference
├── RuntimeFailure             the inference runtime failed
│   ├── ProviderUnavailable    the execution provider that was asked for is not here
│   └── OutOfMemory            the device has not got the memory for a batch of this size
├── Unavailable                the service cannot answer now; the same request may succeed later
│   ├── Overloaded             the queue is full, or longer than the request can wait
│   ├── DeadlineExceeded       the request's time ran out before its answer was ready
│   ├── TooManyRequests        the key's other requests are still being answered
│   └── NotReady               what is needed is still being loaded, or is shutting down
├── JobNotFound                there is no such job
├── PredictionNotFound         the prediction log has no such answer
├── Unauthorized               the request brings no key, or one that does not allow this
├── NotInstalled               the libraries of an optional part are not installed
├── ServerError                a server answered the client with an error, or not at all
└── TrainingError              training or export cannot go on
    ├── WeightsError           weights cannot be had or do not fit the backbone
    └── ExportError            a backbone cannot be exported, or its graphs are not exact
```
"""


class SeeWhyError(Exception):
    """Base of all; `str(error)` is one line that a user can act on."""


class ImageError(SeeWhyError):
    """What was sent cannot be used as an image."""


class EmptyImage(ImageError):
    """No bytes at all."""


class UnsupportedFormat(ImageError):
    """Not JPEG, PNG, WebP, GIF, BMP or TIFF."""


class CorruptImage(ImageError):
    """The content is broken or cut off."""


class UnreadableImage(ImageError):
    """Its file is not there, or may not be read."""


class ImageTooLarge(ImageError):
    """More bytes or more pixels than allowed."""


class InvalidRequest(SeeWhyError):
    """The request is malformed, or a parameter is out of its range."""


class UnknownClass(InvalidRequest):
    """A target names no class of the model."""


class SameClass(InvalidRequest):
    """A target is the class that it is held against, or an image's answer already."""


class UploadTooLarge(InvalidRequest):
    """A file for a job, or a body without images, has more bytes than allowed."""


class Unsupported(InvalidRequest):
    """The bundle has not got what the request needs."""


class DataError(SeeWhyError):
    """Images given as a folder, table or shards cannot be used: they are not there or broken."""


class OutputError(SeeWhyError):
    """Results cannot be written, or stand where others would go."""


class BundleError(SeeWhyError):
    """A bundle cannot be used."""


class BundleNotFound(BundleError):
    """No such name or version in the repository."""


class BundleInvalid(BundleError):
    """A file is missing, altered or contradicts the manifest."""


class GoldenMismatch(BundleError):
    """This provider computes something else than the bundle's reference."""


class NotRobust(BundleError):
    """Attacks leave less of its accuracy than was asked for, or that has not been measured."""


class RuntimeFailure(SeeWhyError):
    """The inference runtime failed."""


class ProviderUnavailable(RuntimeFailure):
    """The execution provider that was asked for is not here."""


class OutOfMemory(RuntimeFailure):
    """The device has not got the memory for a batch of this size."""


class Unavailable(SeeWhyError):
    """The service cannot answer now; the same request may succeed later.

    `retry_after` is the number of seconds after which a retry makes sense.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """The queue is full, or longer than the request can wait."""


class DeadlineExceeded(Unavailable):
    """The request's time ran out before its answer was ready."""


class TooManyRequests(Unavailable):
    """The key's other requests are still being answered."""


class NotReady(Unavailable):
    """What is needed is still being loaded, or is shutting down."""


class JobNotFound(SeeWhyError):
    """There is no such job."""


class PredictionNotFound(SeeWhyError):
    """The prediction log has no such answer."""


class Unauthorized(SeeWhyError):
    """The request brings no key, or one that does not allow this."""


class NotInstalled(SeeWhyError):
    """The libraries of an optional part are not installed."""


class ServerError(SeeWhyError):
    """A server answered the client with an error, or not at all.

    `status` is the HTTP status, or None where there was no answer.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TrainingError(SeeWhyError):
    """Training or export cannot go on."""


class WeightsError(TrainingError):
    """Weights cannot be had or do not fit the backbone."""


class ExportError(TrainingError):
    """A backbone cannot be exported, or its graphs are not exact."""
