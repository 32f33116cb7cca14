"""Runs one job after the other, each in a process of its own."""

import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from models.errors import OutputError, Unsupported
from service.jobs.folders import JobFolder
from service.jobs.job import Job, JobRequest, JobState
from service.jobs.store import JobStore
from service.settings import Settings

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 600.0
RETRY_SECONDS = 1.0
STORE = "jobs.sqlite"


@dataclass(frozen=True)
class JobsState:
    """How many jobs there are by state; images scored since the start, those that failed too."""

    jobs: Mapping[JobState, int]
    scored: int
    failed: int


class JobRunner:
    """The jobs of one service. Safe to use from several threads."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Go on with what an earlier service has left.

        Raises:
            OSError: the folder cannot be made.
            sqlite3.Error: the file of jobs cannot be opened.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.store = JobStore(self.folder / STORE)
        self._clear()
        self.settings = settings
        self._scored = self._failed = 0
        self._changed = Condition()
        self._closing = False
        self._running: tuple[str, subprocess.Popen[str]] | None = None
        self._thread = Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def add(self, job_id: str, request: JobRequest, key: str | None) -> Job:
        """Let a job wait for its turn; see `JobStore.add`.

        Files that were received for it are removed where no new job comes of it.
        """
        try:
            job = self.store.add(job_id, request, key)
        except BaseException:
            self.discard(job_id)
            raise
        if job.id != job_id:
            self.discard(job_id)
        with self._changed:
            self._changed.notify()
        return job

    @property
    def state(self) -> JobsState:
        """What there is, and what this service has done."""
        return JobsState(self.store.counts(), self._scored, self._failed)

    def files(self, job_id: str) -> JobFolder:
        """Where a job's files are."""
        return JobFolder(self.folder / job_id)

    def discard(self, job_id: str) -> None:
        """Remove the files of a job that was not taken."""
        shutil.rmtree(self.files(job_id).path, ignore_errors=True)

    def results(self, job_id: str) -> Path:
        """The rows of a job.

        Raises:
            JobNotFound: there is no such job.
            Unsupported: it is not done.
        """
        job = self.store.get(job_id)
        if job.state is not JobState.DONE:
            raise Unsupported(f"the job is {job.state}, so it has no results")
        return self.files(job_id).results(job.request)

    def delete(self, job_id: str) -> None:
        """Cancel a job that has not ended; forget one that has, with its results.

        Raises:
            JobNotFound: there is no such job.
        """
        if self.store.get(job_id).state.finished:
            self._forget(job_id)
            return
        self.store.end(job_id, JobState.CANCELLED)
        with self._changed:
            if self._running is not None and self._running[0] == job_id:
                self._running[1].kill()

    def close(self) -> None:
        """Stop the job that runs; the next service goes on with it."""
        with self._changed:
            self._closing = True
            if self._running is not None:
                self._running[1].kill()
            self._changed.notify()
        self._thread.join()
        self.store.close()

    def _work(self) -> None:
        while not self._closing:
            try:
                self.store.requeue()
                self._work_on()
            except OutputError as error:  # a full disk, on which there may be room again
                logger.error("jobs wait: %s", error)  # noqa: TRY400  # it says all
                self._pause(RETRY_SECONDS)

    def _work_on(self) -> None:
        swept = 0.0
        while not self._closing:
            if time.monotonic() - swept > SWEEP_SECONDS:
                self._sweep()
                swept = time.monotonic()
            job = self.store.begin()
            if job is None:
                self._pause(1.0)
            else:
                self._run(job)

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._closing:
                self._changed.wait(seconds)

    def _run(self, job: Job) -> None:
        try:
            process = self._start(job)
        except OSError as error:
            self.store.end(job.id, JobState.FAILED, f"its process cannot be started: {error}")
            return
        failure, before = None, (job.done, job.failed)
        with process:
            for line in process.stdout or ():
                said = json.loads(line)
                if "error" in said:
                    failure = said["error"]
                else:
                    self.store.progress(job.id, **said)
                    now = (said["done"], said["failed"])
                    self._scored += now[0] - before[0]
                    self._failed += now[1] - before[1]
                    before = now
        with self._changed:
            self._running = None
            if self._closing and process.returncode != 0:
                return  # it stays "running", so that the next service goes on with it
        if process.returncode == 0:
            self.store.end(job.id, JobState.DONE)
        else:
            reason = failure or f"its process ended with {process.returncode}"
            self.store.end(job.id, JobState.FAILED, reason)
        logger.info("job %s is %s", job.id, self.store.get(job.id).state)

    def _start(self, job: Job) -> subprocess.Popen[str]:
        files = self.files(job.id)
        files.path.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "service.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with self._changed:
            self._running = (job.id, process)
            if self._closing or self.store.get(job.id).state is JobState.CANCELLED:
                process.kill()
        told = {
            "folder": str(files.path),
            "request": job.request.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
        }
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            logger.warning("the process of job %s ended before it was told what to do", job.id)
        return process

    def _sweep(self) -> None:
        oldest = time.time() - self.settings.job_days * 24 * 60 * 60
        for job_id in self.store.finished_before(oldest):
            self._forget(job_id)

    def _clear(self) -> None:
        """Remove what a service has received that ended before it was a job."""
        for path in self.folder.glob("[0-9a-f]" * 32):
            if not self.store.has(path.name):
                self.discard(path.name)

    def _forget(self, job_id: str) -> None:
        self.store.remove(job_id)
        self.discard(job_id)
