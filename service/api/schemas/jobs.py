"""The options and answers of `/jobs`."""

from pydantic import BaseModel, Field

from service.jobs.job import JobRequest, JobState


class JobBody(BaseModel):
    """A job; times in seconds since 1970."""

    id: str
    state: JobState
    request: JobRequest
    images: int | None = Field(description="how many there are, once they are counted")
    done: int = Field(description="rows so far")
    failed: int = Field(description="rows with an error so far")
    created: float
    finished: float | None
    seconds_left: float | None = Field(description="by the rate so far")
    error: str | None = Field(description="why it failed")


class Jobs(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobBody]
