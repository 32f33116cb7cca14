"""The options and answers of `/drift`, `/readyz` and `/healthz`."""

from typing import Literal

from pydantic import BaseModel, Field

from service.api.schemas.images import ModelName
from service.core.drift import Statistic
from service.core.retrieval import Search
from service.core.status import State


class DriftFinding(BaseModel):
    """One statistic of the last window."""

    value: float
    threshold: float = Field(description="what few undisturbed windows exceed")
    drifted: bool


class Drift(BaseModel):
    """How far a model's answers have come from those on its calibration images."""

    model: ModelName
    window: int = Field(description="answers that are compared together")
    gathered: int = Field(description="answers in the window that is not full yet")
    windows: int = Field(description="windows that were compared since the model was loaded")
    drifted_in_a_row: int = Field(description="how many of the last windows had drifted")
    false_alarm_rate: float = Field(
        description="the share of undisturbed windows that count as drifted, at most"
    )
    last: dict[Statistic, DriftFinding] = Field(
        description="the statistics of the last window; empty before it"
    )


class GraphReadiness(BaseModel):
    """One graph of a loaded model."""

    state: State
    provider: str = Field(examples=["cpu"])
    reason: str | None = Field(description="why it failed")


class SearchReadiness(BaseModel):
    """The index of the images that a model has learned from."""

    search: Search
    state: State
    reason: str | None = Field(description="why it failed")


class RunPlan(BaseModel):
    """How many sessions run at once on each device, with how many threads and rows each."""

    sessions: int
    threads: int = Field(description="0: one for each core")
    batch: int
    decodes: bool = Field(description="whether the threads that run the sessions decode, too")


class LoadedModel(ModelName):
    """A loaded model, its graphs, and how the one that classifies is run."""

    plan: RunPlan
    similar_search: SearchReadiness | None = Field(
        description="how similar images are found; null: the bundle knows none"
    )
    graphs: dict[str, GraphReadiness]


class LogReadiness(BaseModel):
    """Whether answers are remembered."""

    state: Literal["off", "writing", "failed"]
    reason: str | None = Field(None, description="why it failed")


class Readiness(BaseModel):
    """Whether the service can classify, and what else it can do."""

    ready: bool
    provider: str = Field(description="what runs the graphs", examples=["cpu"])
    devices: list[str] = Field(description="the processor or the GPUs that it runs them on")
    prediction_log: LogReadiness
    models: list[LoadedModel]


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]
