"""What a job is asked to do, and how far it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.robustness.levels import Level


class Options(BaseModel):
    """How images are scored; docs/scoring.md describes the columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(None, min_length=1, description="the default one if left out")
    version: int | None = Field(None, ge=1, description="the current one if left out")
    column: str = Field("path", description="a table's, of paths or of encoded images")
    top_k: int = Field(5, ge=1, description="how many classes a row lists")
    embedding: bool = Field(default=False, description="whether rows have the embedding")
    box: bool = Field(default=False, description="whether rows have the box around the evidence")
    robustness: Level | None = Field(None, description="whether rows have a robustness verdict")
    format: Literal["parquet", "jsonl"] = Field("parquet", description="of the results")


class Asked(Options):
    """A job for images that the service can reach."""

    input: str = Field(
        min_length=1,
        description="the path of a folder, table, list or shard below one of "
        "`SEEWHY_JOB_ROOTS`, or the URL of a zip, tar or Parquet file on one of `SEEWHY_JOB_HOSTS`",
    )


class Origin(StrEnum):
    """Where a job's images come from."""

    PATH = "path"
    URL = "url"
    UPLOAD = "upload"


class JobRequest(Options):
    """A job as it is remembered; of an upload, `input` is the file's name and its SHA-256."""

    origin: Origin
    input: str


class JobState(StrEnum):
    """How far a job has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True)
class Job:
    """A job and its counts; times in seconds since 1970.

    `images` is None until they are counted; `error` says why it failed; `seconds_left` is None
    where that cannot be told.
    """

    id: str
    request: JobRequest
    state: JobState
    created: float
    images: int | None = None
    done: int = 0
    failed: int = 0
    error: str | None = None
    started: float | None = None
    finished: float | None = None
    done_before: int = 0

    def seconds_left(self, now: float) -> float | None:
        """By the rate since the process that runs it was started."""
        done = self.done - self.done_before
        if self.state is not JobState.RUNNING or not self.images or not self.started or done <= 0:
            return None
        return (self.images - self.done) * (now - self.started) / done
