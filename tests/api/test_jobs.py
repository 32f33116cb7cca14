"""Batch jobs through HTTP, each in its own process, on the tiny bundle."""

import io
import json
import os
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.api.schemas.jobs import JobBody, Jobs
from service.app import create_app
from service.jobs.job import Job, JobRequest, JobState, Origin
from service.jobs.store import JobStore
from service.settings import Settings

SECONDS = 60
MANY = 8000
BAD = b"no image"

Start = Callable[..., TestClient]


@pytest.fixture
def photos(tmp_path: Path, red_left: bytes) -> Path:
    """A root with a folder of three photos, of which one is broken, and a way out of it."""
    root = tmp_path / "root"
    (root / "pets").mkdir(parents=True)
    for name, content in {"a.png": red_left, "b.png": BAD, "c.png": red_left}.items():
        (root / "pets" / name).write_bytes(content)
    (tmp_path / "secret.png").write_bytes(red_left)
    (root / "list.txt").write_text("pets/a.png\n../secret.png\na\0b\ncircle", encoding="utf-8")
    (root / "way.png").symlink_to(tmp_path / "secret.png")
    (root / "circle").symlink_to("circle")
    return root


@pytest.fixture
def settings_of_jobs(tiny_repository: Path, tmp_path: Path, photos: Path) -> Settings:
    return Settings(
        repository=tiny_repository, provider="cpu", threads=1, jobs=tmp_path / "jobs",
        job_roots=[photos],
    )  # fmt: skip


@pytest.fixture
def start(settings_of_jobs: Settings) -> Iterator[Start]:
    """Starts the service; all that it starts share the folder of jobs."""
    with ExitStack() as started:

        def begin(**changes: Any) -> TestClient:
            settings = settings_of_jobs.model_copy(update=changes)
            return started.enter_context(TestClient(create_app(settings)))

        yield begin


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended."""
    pause = Event()
    for _ in range(SECONDS * 20):
        found: dict[str, Any] = client.get(f"/jobs/{job['id']}").json()
        if JobState(found["state"]).finished:
            return found
        pause.wait(0.05)
    pytest.fail("the job has not ended")


def rows(client: TestClient, job: dict[str, Any]) -> pd.DataFrame:
    answer = client.get(f"/jobs/{job['id']}/results")
    assert answer.status_code == 200
    return pd.read_parquet(io.BytesIO(answer.content))


def test_a_folder_becomes_rows_that_are_fetched(start: Start) -> None:
    client = start()
    answer = client.post("/jobs", json={"input": "pets", "top_k": 2})

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
    JobBody.model_validate(answer.json(), extra="forbid")
    job = ended(client, answer.json())
    assert (job["state"], job["images"], job["done"], job["failed"]) == ("done", 3, 3, 1)
    found = rows(client, job)
    assert found["input"].tolist() == ["a.png", "b.png", "c.png"]
    assert found["path"].tolist() == ["pets/a.png", "pets/b.png", "pets/c.png"]
    assert found["error"].fillna("").str.partition(":")[0].tolist() == ["", "UnsupportedFormat", ""]
    assert [len(top) for top in found["top_k"].dropna()] == [2, 2]
    Jobs.model_validate(client.get("/jobs").json(), extra="forbid")
    assert [each["id"] for each in client.get("/jobs").json()["jobs"]] == [job["id"]]


def test_jobs_are_counted_by_state_and_their_images_by_outcome(start: Start) -> None:
    client = start()
    for _ in range(2):
        ended(client, client.post("/jobs", json={"input": "pets"}).json())

    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    jobs = {state.value: samples["seewhy_jobs", state] for state in JobState}
    assert jobs == {"queued": 0, "running": 0, "done": 2, "failed": 0, "cancelled": 0}
    assert samples["seewhy_job_images_total", "ok"] == 4
    assert samples["seewhy_job_images_total", "failed"] == 2


def test_a_part_of_the_results_can_be_fetched(start: Start) -> None:
    client = start()
    job = ended(client, client.post("/jobs", json={"input": "pets", "format": "jsonl"}).json())
    whole = client.get(f"/jobs/{job['id']}/results")

    part = client.get(f"/jobs/{job['id']}/results", headers={"Range": "bytes=5-14"})

    assert part.status_code == 206
    assert part.content == whole.content[5:15]
    assert [json.loads(line)["input"] for line in whole.text.splitlines()] == [
        "a.png", "b.png", "c.png",
    ]  # fmt: skip


def zipped(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def tabled(members: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    pd.DataFrame({"image": list(members.values())}).to_parquet(data)
    return data.getvalue()


@pytest.mark.parametrize(
    ("kind", "pack", "query"),
    [
        ("application/zip", zipped, ""),
        ("application/x-tar", tarred, ""),
        ("application/vnd.apache.parquet", tabled, "?column=image"),
    ],
)
def test_a_file_that_is_sent_becomes_rows(
    start: Start, red_left: bytes, kind: str, pack: Callable[..., bytes], query: str
) -> None:
    client = start()
    body = pack({"x/1.png": red_left, "x/2.png": BAD})

    job = client.post(f"/jobs{query}", content=body, headers={"Content-Type": kind}).json()

    assert ended(client, job)["state"] == "done", ended(client, job)["error"]
    found = rows(client, job)
    assert found["error"].isna().tolist() == [True, False]
    assert not found["path"].fillna("").str.startswith("/").any()


def test_images_outside_of_the_roots_are_not_read(start: Start) -> None:
    client = start()

    listed = rows(client, ended(client, client.post("/jobs", json={"input": "list.txt"}).json()))
    linked = rows(client, ended(client, client.post("/jobs", json={"input": "."}).json()))

    assert listed["error"].isna().tolist() == [True, False, False, False]
    assert listed["error"][1:].str.contains("outside").all()
    (link,) = linked[linked["input"] == "way.png"]["error"]
    assert "outside" in link


def test_paths_in_a_table_that_is_sent_lead_nowhere(start: Start, photos: Path) -> None:
    client, data = start(), io.BytesIO()
    pd.DataFrame({"path": [str(photos / "pets" / "a.png"), "../../root/pets/a.png"]}).to_parquet(
        data
    )

    headers = {"Content-Type": "application/vnd.apache.parquet"}
    job = client.post("/jobs", content=data.getvalue(), headers=headers).json()

    assert ended(client, job)["failed"] == 2
    assert rows(client, job)["error"].str.contains("outside").all()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": "../secret.png"}, "nothing at '../secret.png'"),
        ({"input": "/etc"}, "nothing at '/etc'"),
        ({"input": "gone"}, "nothing at 'gone'"),
        ({"input": "way.png"}, "nothing at 'way.png'"),
        ({"input": "circle"}, "nothing at 'circle'"),
        ({"input": "a\0b"}, "nothing at"),
        ({"input": "x" * 300}, "nothing at"),
        ({"input": "https://example.com/a.zip"}, "SEEWHY_JOB_HOSTS"),
        ({"input": "ftp://files.test/a.zip"}, "http:// or https://"),
        ({"input": "http://u:p@files.test/a.zip"}, "without a password"),
        ({"input": "http://files.test/a.exe"}, "no .zip, .tar or .parquet"),
        ({"input": "pets", "top_k": 0}, "top_k"),
        ({"input": "pets", "stars": 1}, "stars"),
        ({}, "input"),
    ],
)
def test_a_job_that_may_not_be_is_refused(start: Start, body: dict[str, Any], named: str) -> None:
    refused = start(job_hosts=["files.test"]).post("/jobs", json=body)

    assert refused.status_code == 422
    assert named in refused.json()["detail"]


def test_a_file_that_is_too_large_is_refused_and_not_kept(start: Start, tmp_path: Path) -> None:
    client = start(job_bytes=1000)
    headers = {"Content-Type": "application/zip"}

    answers = [client.post("/jobs", content=body, headers=headers) for body in (bytes(1001), b"")]
    answers += [client.post("/jobs", json={"input": "x" * 2**20})]

    assert [answer.status_code for answer in answers] == [413, 422, 413]
    assert [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == []


def test_hosts_with_private_addresses_are_not_asked(start: Start) -> None:
    client = start(job_hosts=["localhost"])

    job = ended(client, client.post("/jobs", json={"input": "http://localhost/a.zip"}).json())

    assert job["state"] == "failed"
    assert "not public" in job["error"]


def test_a_job_that_fails_says_why(start: Start) -> None:
    client = start()
    headers = {"Content-Type": "application/zip"}

    job = ended(client, client.post("/jobs", content=b"no zip", headers=headers).json())

    assert job["state"] == "failed"
    assert job["error"].startswith("input.zip is no zip file")
    refused = client.get(f"/jobs/{job['id']}/results")
    assert refused.status_code == 422
    assert "the job is failed" in refused.json()["detail"]


def test_the_same_request_again_is_the_same_job(start: Start, tmp_path: Path) -> None:
    client, headers = start(), {"Idempotency-Key": "k"}

    first, again = (client.post("/jobs", json={"input": "pets"}, headers=headers) for _ in range(2))
    other = client.post("/jobs", json={"input": "pets", "top_k": 1}, headers=headers)

    assert first.json()["id"] == again.json()["id"]
    assert other.status_code == 422
    body, kind = zipped({"a.png": BAD}), {"Content-Type": "application/zip", "Idempotency-Key": "z"}
    ids = {client.post("/jobs", content=body, headers=kind).json()["id"] for _ in range(2)}
    assert len(ids) == 1
    ended(client, {"id": ids.pop()})
    assert client.post("/jobs", content=zipped({"b.png": BAD}), headers=kind).status_code == 422
    assert len([path for path in (tmp_path / "jobs").iterdir() if path.is_dir()]) == 2


@pytest.fixture
def many(photos: Path) -> str:
    """The name of a folder of photos that take some seconds."""
    folder = photos / "many"
    folder.mkdir()
    for number in range(MANY):
        os.link(photos / "pets" / "a.png", folder / f"{number:05d}.png")
    return "many"


def running(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once some of it is done."""
    pause = Event()
    for _ in range(SECONDS * 50):
        found: dict[str, Any] = client.get(f"/jobs/{job['id']}").json()
        if found["done"] > 0 or JobState(found["state"]).finished:
            return found
        pause.wait(0.02)
    pytest.fail("the job has not begun")


def test_a_job_can_be_cancelled_and_forgotten(start: Start, many: str, tmp_path: Path) -> None:
    client = start()
    job = client.post("/jobs", json={"input": many}).json()
    next_ = client.post("/jobs", json={"input": "pets"}).json()
    begun = running(client, job)
    assert begun["state"] == "running"
    assert begun["seconds_left"] > 0

    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert client.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"
    assert ended(client, next_)["state"] == "done"

    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert client.get(f"/jobs/{job['id']}").status_code == 404
    assert not (tmp_path / "jobs" / job["id"]).exists()
    assert client.delete("/jobs/gone").status_code == 404


def test_a_job_goes_on_after_a_restart(start: Start, settings_of_jobs: Settings, many: str) -> None:
    with TestClient(create_app(settings_of_jobs)) as client:
        job = client.post("/jobs", json={"input": many}).json()
        before = running(client, job)

    again = start()
    found = ended(again, job)

    assert before["state"] == "running"
    assert (found["state"], found["done"], found["failed"]) == ("done", MANY, 0)
    assert rows(again, job)["input"].is_unique


def test_what_was_received_for_no_job_is_removed_at_the_next_start(
    start: Start, tmp_path: Path
) -> None:
    left, others = tmp_path / "jobs" / ("0" * 32), tmp_path / "jobs" / "photos"
    for folder in (left, others):
        folder.mkdir(parents=True)
    (left / "input.zip").write_bytes(BAD)

    start()

    assert not left.exists()
    assert others.exists()


def test_jobs_go_on_when_their_file_can_be_written_again(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, pause = start(), Event()
    with closing(sqlite3.connect(tmp_path / "jobs" / "jobs.sqlite")) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON jobs "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        job = client.post("/jobs", json={"input": "pets"}).json()
        refused = client.delete(f"/jobs/{job['id']}")
        for _ in range(SECONDS * 20):
            if "disk is full" in caplog.text:
                break
            pause.wait(0.05)
        other.execute("DROP TRIGGER full")

    assert refused.status_code == 500
    assert refused.json()["detail"] == "the file of jobs cannot be written: disk is full"
    assert "disk is full" in caplog.text
    assert ended(client, job)["state"] == "done"


def test_without_a_folder_there_are_no_jobs(client: TestClient) -> None:
    refused = client.post("/jobs", json={"input": "pets"})

    assert refused.status_code == 422
    assert "SEEWHY_JOBS" in refused.json()["detail"]


def test_old_jobs_are_forgotten(start: Start, tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    store = JobStore(tmp_path / "jobs" / "jobs.sqlite")
    store.add("old", JobRequest(origin=Origin.PATH, input="/x"), None)
    store.end("old", JobState.DONE)
    with store._changing() as connection:  # noqa: SLF001 - time travel
        connection.execute("UPDATE jobs SET finished = 1.0")
    store.close()

    client, pause = start(), Event()
    for _ in range(200):
        if client.get("/jobs/old").status_code == 404:
            return
        pause.wait(0.02)
    pytest.fail("it is remembered")


def test_time_left_goes_by_the_rate_since_the_process_began() -> None:
    request = JobRequest(origin=Origin.PATH, input="/x")
    job = Job("x", request, JobState.RUNNING, 0.0, 100, 60, started=1000.0, done_before=40)

    assert job.seconds_left(now=1010.0) == pytest.approx(20)
