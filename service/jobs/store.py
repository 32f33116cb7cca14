"""The jobs, in SQLite: they outlive the service."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from models.errors import InvalidRequest, JobNotFound, OutputError
from service.jobs.job import Job, JobRequest, JobState

LISTED = 100

_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    idempotency_key TEXT UNIQUE,
    request TEXT NOT NULL,
    state TEXT NOT NULL,
    created REAL NOT NULL,
    images INTEGER,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    started REAL,
    finished REAL,
    done_before INTEGER NOT NULL DEFAULT 0
)
"""


class JobStore:
    """The table of jobs. Safe to use from several threads of one process.

    What changes it raises OutputError where its file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            sqlite3.Error: it cannot be opened, or is something else.
        """
        self._lock = Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = wal")
        self._connection.execute(_TABLE)

    def close(self) -> None:
        """Give the file up."""
        with self._lock:
            self._connection.close()

    def add(self, job_id: str, request: JobRequest, key: str | None) -> Job:
        """Add a job to the queue; one with a key that is known already is that one.

        Raises:
            InvalidRequest: the key's job was another one.
        """
        with self._changing() as connection:
            found = connection.execute(
                "SELECT * FROM jobs WHERE idempotency_key = ?", (key,)
            ).fetchone()
            if found is None:
                connection.execute(
                    "INSERT INTO jobs (id, idempotency_key, request, state, created) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (job_id, key, request.model_dump_json(), JobState.QUEUED, time.time()),
                )
                return self._get(connection, job_id)
        if (job := _job(found)).request != request:
            raise InvalidRequest(f"Idempotency-Key {key!r} was that of another job, {job.id}")
        return job

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            JobNotFound: there is none of that id.
        """
        with self._lock:
            return self._get(self._connection, job_id)

    def has(self, job_id: str) -> bool:
        """Whether there is a job of that id."""
        with self._lock:
            found = self._connection.execute("SELECT 1 FROM jobs WHERE id = ?", (job_id,))
            return found.fetchone() is not None

    def newest(self) -> list[Job]:
        """The last hundred jobs, the newest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT * FROM jobs ORDER BY created DESC, rowid DESC LIMIT ?", (LISTED,)
            ).fetchall()
        return [_job(row) for row in rows]

    def counts(self) -> dict[JobState, int]:
        """How many jobs are kept, by state; every state is there."""
        with self._lock:
            rows = self._connection.execute("SELECT state, count(*) FROM jobs GROUP BY state")
            return dict.fromkeys(JobState, 0) | {JobState(state): jobs for state, jobs in rows}

    def begin(self) -> Job | None:
        """The oldest job that waits, which now runs."""
        with self._changing() as connection:
            row = connection.execute(
                "UPDATE jobs SET state = ?, started = ?, done_before = done WHERE id = ("
                "SELECT id FROM jobs WHERE state = ? ORDER BY created, rowid LIMIT 1) "
                "RETURNING *",
                (JobState.RUNNING, time.time(), JobState.QUEUED),
            ).fetchone()
        return None if row is None else _job(row)

    def requeue(self) -> None:
        """Have what was running when the last service ended go on."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ? WHERE state = ?", (JobState.QUEUED, JobState.RUNNING)
            )

    def progress(self, job_id: str, images: int, done: int, failed: int) -> None:
        """Note how far a job is."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE jobs SET images = ?, done = ?, failed = ? WHERE id = ?",
                (images, done, failed, job_id),
            )

    def end(self, job_id: str, state: JobState, error: str | None = None) -> None:
        """Note how a job that had not ended did."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, error = ?, finished = ? "
                "WHERE id = ? AND state IN (?, ?)",
                (state, error, time.time(), job_id, JobState.QUEUED, JobState.RUNNING),
            )

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        with self._changing() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def finished_before(self, moment: float) -> list[str]:
        """The ids of jobs that ended before then."""
        with self._lock:
            rows = self._connection.execute("SELECT id FROM jobs WHERE finished < ?", (moment,))
            return [row["id"] for row in rows]

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            with self._lock, self._connection:
                yield self._connection
        except sqlite3.Error as error:
            raise OutputError(f"the file of jobs cannot be written: {error}") from error

    def _get(self, connection: sqlite3.Connection, job_id: str) -> Job:
        row = connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {job_id!r}")
        return _job(row)


def _job(row: sqlite3.Row) -> Job:
    fields = {name: row[name] for name in row.keys() if name != "idempotency_key"}  # noqa: SIM118
    fields["request"] = JobRequest.model_validate_json(fields["request"])
    fields["state"] = JobState(fields["state"])
    return Job(**fields)
