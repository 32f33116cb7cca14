"""What every check has: parameters, a budget, and a finding about an image."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from service.core.robustness.finding import Finding
from service.core.robustness.subject import Subject

Count = Annotated[int, Field(ge=1)]

Rows = Annotated[int, Field(ge=1, le=100)]
"""Of images that are held in memory at once."""


class Check(BaseModel, ABC):
    """One check and its parameters. A pass is one image through one graph."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    @property
    @abstractmethod
    def passes(self) -> int:
        """The most that it may take."""

    @abstractmethod
    def examine(self, subject: Subject) -> Finding:
        """Whether the answer survives.

        Raises:
            InvalidRequest: a parameter does not fit the image's answer or the model.
            Unsupported: the bundle has not got a graph that the check needs.
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
