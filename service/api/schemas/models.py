"""The options and answers of `/models`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.manifest import MethodName


class PromotionQuery(BaseModel):
    """How long a version is promoted for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    until_restart: bool = Field(
        default=False,
        description="Leave the repository as it is, for one that cannot be written; else the "
        "version becomes current there, and answers after a restart too.",
    )


class ModelSummary(BaseModel):
    """A model of the repository."""

    name: str
    versions: list[int]
    current: int | None = Field(
        description="the repository's current version; null where that is broken"
    )
    serving: int | None = Field(
        description="the version that answers where a request names none, settled by the first "
        "such request; null before it"
    )
    default: bool = Field(description="whether it is served where a request names no model")
    loaded: list[int] = Field(description="the versions that are loaded now")
    error: str | None = Field(description="why the current version cannot be loaded, if so")


class ModelList(BaseModel):
    """All models of the repository."""

    models: list[ModelSummary]


class ModelDetails(ModelSummary):
    """A model, with the manifest of one of its versions, and how that can be explained."""

    methods: dict[MethodName, list[str]] = Field(
        description="the saliency methods of `/explain` that are possible, and the parameters "
        "that each takes",
        examples=[{"gradcam": [], "rise": ["masks", "seed", "signed"]}],
    )
    manifest: dict[str, Any]
