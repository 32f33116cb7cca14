"""Where the files of a job are."""

from dataclasses import dataclass
from pathlib import Path

from service.jobs.job import JobRequest


@dataclass(frozen=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    def received(self, suffix: str) -> Path:
        """The file that was uploaded or fetched."""
        return self.path / f"input{suffix}"

    @property
    def unpacked(self) -> Path:
        """The images of a zip file."""
        return self.path / "images"

    @property
    def parts(self) -> Path:
        """The rows while they are made."""
        return self.path / "parts"

    def results(self, request: JobRequest) -> Path:
        """The rows of a job that is done."""
        return self.path / f"results.{request.format}"
