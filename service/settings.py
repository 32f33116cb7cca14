"""What can be set, from the environment or by the command line; docs/service.md lists it."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

import models
from service.core.retrieval import Search
from service.logs import LogFormat
from service.runtime import memory
from service.runtime.providers import Provider
from service.runtime.tuning import Tuning

Count = Annotated[int, Field(ge=1)]
Key = Annotated[str, Field(pattern=r"^[!-~]+$")]  # what a header can hold

ZOO = Path(models.__file__).parent / "zoo"


class Settings(BaseSettings):
    """Read once, from `SEEWHY_*`; arguments come before the environment."""

    model_config = SettingsConfigDict(env_prefix="SEEWHY_", frozen=True, extra="forbid")

    repository: Path = Field(default=ZOO, description="the folder that holds the bundles")
    default_model: str | None = Field(
        default=None,
        description="the model where a request names none; unset: `efficientnet_lite0` where "
        "the repository has it, else its only model",
    )
    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on; 0: any")
    provider: Provider = Field(
        default=Provider.AUTO,
        description="what runs the graphs: `auto`, `cuda`, `tensorrt` or `cpu`",
    )
    max_upload_bytes: Count = Field(
        default=32 * 2**20, description="the largest request body, in bytes"
    )
    max_pixels: Count = Field(
        default=50_000_000,
        le=178_956_970,  # beyond it, Pillow refuses by itself
        description="the largest photo, in pixels (width x height); at most 178956970",
    )
    max_images: Count = Field(default=32, description="most images in one request")
    max_models: Count = Field(
        default=4, description="most models loaded at once; the longest unused one is given up"
    )
    max_memory_bytes: Count | None = Field(
        default=None,
        description="the memory of the process beyond which idle models are given up, in bytes; "
        "unset: no limit",
    )
    max_batch: Count = Field(default=16, description="most images run at once by one session")
    queue_size: Count = Field(
        default=256,
        description="most images let in and not yet done, at each stage; at least `max_images`; "
        "beyond it, the answer is 503 with Retry-After",
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="threads of one run on the CPU; 0: what is quickest, or one for each core",
    )
    tune: Tuning = Field(
        default=Tuning.QUICK,
        description="how long to measure which batches and how many sessions are quickest, "
        "for a model that is new on this machine: `off`, `quick` (seconds) or `full` (a minute)",
    )
    timeout_ms: Count = Field(
        default=30_000,
        description="how long a request may take that does not say so itself, in milliseconds, "
        "for each 200 passes (or less) of robustness checks",
    )
    decode_threads: int = Field(
        default=0,
        ge=0,
        description="threads that decode images, where those of the sessions do not; "
        "0: one for each core",
    )
    explain_threads: Count = Field(
        default=4,
        description="threads that make explanations from what the graphs compute, and as many "
        "others that check robustness",
    )
    log_format: LogFormat = Field(
        default=LogFormat.AUTO,
        description="a line of the log: `text`, `json`, or `auto`: text on a terminal, else JSON",
    )
    api_keys: dict[Key, Count] = Field(
        default={},
        repr=False,
        description="the keys that requests have to bring, as a JSON object, each with the number "
        "of requests that may be answered at once; empty: no key is asked for",
    )
    admin_key: Key | None = Field(
        default=None,
        repr=False,
        description="the key that loads, unloads and promotes versions; unset: nobody can",
    )
    max_robustness_passes: Count = Field(
        default=6000, description="most passes that the robustness checks of one image may take"
    )
    drift_window: Annotated[int, Field(ge=50, le=10_000)] = Field(
        default=200,
        description="answers of a model that are compared with its reference together; 50 to 10000",
    )
    similar_search: Search = Field(
        default=Search.AUTO,
        description="how similar images are found: `exact` looks at all, `quantized` (with faiss) "
        "compares short codes first, `auto` does so where there are more than 100000",
    )
    prediction_log: Path | None = Field(
        default=None,
        description="the SQLite file that remembers the answers of `/classify`; unset: none does",
    )
    prediction_log_days: Count = Field(default=30, description="how long answers are remembered")
    prediction_log_bytes: Count = Field(
        default=2**30, description="most bytes of the log; beyond it, the oldest answers go"
    )
    prediction_log_images: bool = Field(
        default=False, description="whether the log keeps the images too, to learn from"
    )
    jobs: Path | None = Field(
        default=None,
        description="the folder that keeps batch jobs and their results; unset: no jobs are taken",
    )
    job_roots: list[Annotated[Path, AfterValidator(Path.resolve)]] = Field(
        default=[], description="the folders whose images jobs may name, as a JSON list"
    )
    job_hosts: list[str] = Field(
        default=[], description="the hosts whose files jobs may name by URL, as a JSON list"
    )
    job_bytes: Count = Field(
        default=4 * 2**30, description="most bytes of a job's file, packed and unpacked"
    )
    job_days: Count = Field(default=7, description="how long jobs and their results are kept")
    shutdown_seconds: Count = Field(
        default=30, description="how long requests in flight may take once a shutdown begins"
    )

    @model_validator(mode="before")
    @classmethod
    def _knows_every_variable(cls, given: dict[str, Any]) -> dict[str, Any]:
        prefix = cls.model_config["env_prefix"]
        for name in os.environ:
            if (
                name.startswith(prefix)
                and name.removeprefix(prefix).lower() not in cls.model_fields
            ):
                raise PydanticCustomError(
                    "unknown_variable", "{name} is no setting", {"name": name}
                )
        return given

    @field_validator("max_memory_bytes")
    @classmethod
    def _can_be_measured(cls, limit: int | None) -> int | None:
        if limit is not None and not memory.is_measurable():
            raise PydanticCustomError(
                "no_procfs", "needs Linux, which tells how much memory is used"
            )
        return limit

    @field_validator("queue_size")
    @classmethod
    def _holds_a_request(cls, size: int, info: ValidationInfo) -> int:
        # A request that never fits would be told to come back for ever.
        most = info.data.get("max_images", 0)
        if size < most:
            raise PydanticCustomError(
                "queue_too_small", "has to be at least max_images, {most}", {"most": most}
            )
        return size
