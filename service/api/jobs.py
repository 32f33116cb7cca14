"""`/jobs`: many images at once, scored in the background, and their rows to come back for."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import FileResponse

from models.errors import InvalidRequest, OutputError, Unsupported, UploadTooLarge
from service.api import bodies, parts
from service.api.documentation import PROBLEMS
from service.api.schemas.jobs import JobBody, Jobs
from service.jobs import fetching
from service.jobs.job import Asked, Job, JobRequest, Options, Origin
from service.jobs.runner import JobRunner

router = APIRouter(tags=["jobs"], responses=PROBLEMS)

UPLOADS = {
    "application/zip": ".zip",
    "application/x-tar": ".tar",
    "application/vnd.apache.parquet": ".parquet",
}
RESULTS = {"parquet": "application/vnd.apache.parquet", "jsonl": "application/jsonl"}


def jobs_of(request: Request) -> JobRunner:
    """The jobs of the app that answers a request.

    Raises:
        Unsupported: it takes none.
    """
    jobs = parts.of(request).jobs
    if jobs is None:
        raise Unsupported("this service takes no jobs: SEEWHY_JOBS names no folder for them")
    return jobs


Runner = Annotated[JobRunner, Depends(jobs_of)]


@router.post(
    "/jobs",
    summary="Score many images",
    status_code=202,
    response_model=JobBody,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                bodies.JSON: {"schema": Asked.model_json_schema()},
                **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in UPLOADS},
            },
        }
    },
)
async def create(
    request: Request, response: Response, jobs: Runner, options: Annotated[Options, Query()]
) -> dict[str, Any]:
    """Take a job: images that the service can reach, as JSON; or a zip, tar or Parquet file.

    The options of a file stand in the query. With an `Idempotency-Key`, the same request again
    is the same job.
    """
    job_id = uuid4().hex
    kind = bodies.media_type(request.headers)
    if kind == bodies.JSON:
        asked = _named(await bodies.read_json(request, Asked), jobs)
    elif kind in UPLOADS:
        asked = await _uploaded(request, jobs, job_id, UPLOADS[kind], options)
    else:
        raise InvalidRequest(f"a job is {bodies.JSON}, or one of {', '.join(UPLOADS)}")
    key = request.headers.get("idempotency-key")
    job = await asyncio.to_thread(jobs.add, job_id, asked, key)
    response.headers["Location"] = f"/jobs/{job.id}"
    return _body(job)


@router.get("/jobs", summary="The newest jobs", response_model=Jobs)
def show_all(jobs: Runner) -> dict[str, Any]:
    """The last hundred, the newest first."""
    return {"jobs": [_body(job) for job in jobs.store.newest()]}


@router.get("/jobs/{job_id}", summary="How far is a job?", response_model=JobBody)
def show(jobs: Runner, job_id: str) -> dict[str, Any]:
    """A job's state and counts, and about how long it will take."""
    return _body(jobs.store.get(job_id))


@router.get("/jobs/{job_id}/results", summary="A job's rows", response_class=FileResponse)
def results(jobs: Runner, job_id: str) -> FileResponse:
    """A file with a row for each image; `Range` is heeded."""
    file = jobs.results(job_id)
    return FileResponse(
        file, media_type=RESULTS[file.suffix[1:]], filename=f"{job_id}{file.suffix}"
    )


@router.delete("/jobs/{job_id}", summary="Cancel or forget a job", status_code=204)
def delete(jobs: Runner, job_id: str) -> None:
    """Stop a job that has not ended; forget one that has, with its rows."""
    jobs.delete(job_id)


def _named(asked: Asked, jobs: JobRunner) -> JobRequest:
    """A job for images that the service can reach.

    Raises:
        InvalidRequest: it names what jobs may not read.
    """
    options = asked.model_dump(exclude={"input"})
    if fetching.is_url(asked.input):
        url = fetching.check(asked.input, jobs.settings.job_hosts)
        return JobRequest(origin=Origin.URL, input=str(url), **options)
    path = _allowed(asked.input, jobs.settings.job_roots)
    return JobRequest(origin=Origin.PATH, input=str(path), **options)


def _allowed(text: str, roots: Sequence[Path]) -> Path:
    """The path that is meant, below a root; relative ones are looked for below each.

    Raises:
        InvalidRequest: there is none. Whether it exists elsewhere is not told.
    """
    for root in roots:
        # Circles of links, names that are too long and zero bytes are errors of many kinds.
        with suppress(OSError, RuntimeError, ValueError):
            path = (root / text).resolve(strict=True)
            if path.is_relative_to(root):
                return path
    raise InvalidRequest(f"there is nothing at {text!r} below SEEWHY_JOB_ROOTS")


async def _uploaded(
    request: Request, jobs: JobRunner, job_id: str, suffix: str, options: Options
) -> JobRequest:
    """Keep a file that is sent.

    Raises:
        InvalidRequest: it is empty.
        UploadTooLarge: it has more bytes than a job may.
        OutputError: the disk refused.
    """
    folder = jobs.files(job_id)
    try:
        folder.path.mkdir()
        digest = await _receive(request, folder.received(suffix), jobs.settings.job_bytes)
    except BaseException as error:
        await asyncio.to_thread(jobs.discard, job_id)
        if isinstance(error, OSError):
            raise OutputError(f"the file cannot be kept: {error.strerror}") from error
        raise
    named = f"input{suffix} {digest}"
    return JobRequest(origin=Origin.UPLOAD, input=named, **options.model_dump())


async def _receive(request: Request, target: Path, most_bytes: int) -> str:
    """Write a request's body to a file; return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most_bytes:
                raise UploadTooLarge(f"the file has more than the {most_bytes:,} bytes allowed")
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    if not size:
        raise InvalidRequest("the file is empty")
    return digest.hexdigest()


def _body(job: Job) -> dict[str, Any]:
    left = job.seconds_left(time.time())
    return {
        "id": job.id,
        "state": job.state,
        "request": job.request.model_dump(mode="json"),
        "images": job.images,
        "done": job.done,
        "failed": job.failed,
        "created": job.created,
        "finished": job.finished,
        "seconds_left": None if left is None else round(left, 1),
        "error": job.error,
    }
