"""What can be said about how a method works."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.numbers import NotTruth
from service.core.saliency.integrated_gradients import Baseline


class Parameters(BaseModel):
    """The parameters of all methods; `methods.METHODS` says which method takes which."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signed: bool = Field(
        default=False, description="Keep the sign: what speaks against the class is negative."
    )
    samples: Annotated[int, Field(ge=1, le=512), NotTruth] = Field(
        32, description="smoothgrad: noisy copies of the image, a pass each."
    )
    sigma: Annotated[float, Field(gt=0, le=1), NotTruth] = Field(
        0.15, description="smoothgrad: the noise, as a share of the image's range of values."
    )
    steps: Annotated[int, Field(ge=1, le=512), NotTruth] = Field(
        64, description="integrated_gradients: points on the line from the baseline, a pass each."
    )
    baseline: Baseline = Field("black", description="integrated_gradients: where the line begins.")
    channels: Annotated[int, Field(ge=1, le=4096), NotTruth] = Field(
        64, description="scorecam: the channels tried, those that vary most; a pass each."
    )
    window: Annotated[int, Field(ge=1, le=1024), NotTruth] = Field(
        32, description="occlusion: side of the square that covers, in pixels of the crop."
    )
    stride: Annotated[int, Field(ge=1, le=1024), NotTruth] = Field(
        16, description="occlusion: from one window to the next, in pixels; a pass each window."
    )
    masks: Annotated[int, Field(ge=2, le=8192), NotTruth] = Field(
        1000, description="rise: random masks, a pass each."
    )
    seed: Annotated[int, Field(ge=0, lt=2**32), NotTruth] = Field(
        0, description="smoothgrad, rise: of the noise or the masks."
    )
