"""Checks of what happens to photos anyway; where there is a grid, the worst of it counts."""

from io import BytesIO
from typing import Annotated, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from service.core.robustness import corruptions, finding, geometry
from service.core.robustness.check import Check, Rows
from service.core.robustness.finding import Finding
from service.core.robustness.subject import Crops, Subject


class Noise(Check):
    """Gaussian noise as from a camera in dim light."""

    name: ClassVar[str] = "noise"
    sigma: Annotated[float, Field(gt=0, le=1)] = 0.04
    draws: Rows = 1

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.draws

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        generator = np.random.default_rng(subject.seed)
        drawn = generator.normal(scale=255 * self.sigma, size=(self.draws, *subject.crop.shape))
        noisy = np.clip(np.rint(subject.crop + drawn), 0, 255).astype(np.uint8)
        names = [f"draw {draw}" for draw in range(1, self.draws + 1)]
        return finding.of_changes(subject, noisy, names)


class Jpeg(Check):
    """Stored again as a JPEG."""

    name: ClassVar[str] = "jpeg"
    quality: Annotated[int, Field(ge=1, le=95)] = 50

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 1

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        stored = BytesIO()
        Image.fromarray(subject.crop).save(stored, "JPEG", quality=self.quality)
        again = np.asarray(Image.open(stored))
        return finding.of_changes(subject, again[np.newaxis], [f"quality {self.quality}"])


class Corruptions(Check):
    """Common corruptions at one severity."""

    name: ClassVar[str] = "corruptions"
    severity: Annotated[int, Field(ge=1, le=5)] = 3

    @property
    def passes(self) -> int:
        """See `Check`."""
        return len(corruptions.CORRUPTIONS)

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        crop, names = subject.crop[np.newaxis], list(corruptions.CORRUPTIONS)
        changed = [
            corruptions.corrupted(crop, name, self.severity, seed=subject.seed) for name in names
        ]
        return finding.of_changes(subject, np.concatenate(changed), names)


class Rotation(Check):
    """Held askew, by every angle of a grid."""

    name: ClassVar[str] = "rotation"
    degrees: Annotated[float, Field(gt=0, le=180)] = 30
    angles: Annotated[int, Field(ge=2, le=100)] = 6

    @property
    def passes(self) -> int:
        """See `Check`."""
        return self.angles

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        angles = np.linspace(-self.degrees, self.degrees, self.angles).tolist()
        turned = [geometry.rotated(subject.crop[np.newaxis], angle) for angle in angles]
        names = [f"{angle:+g} degrees" for angle in angles]
        return finding.of_changes(subject, np.concatenate(turned), names)


class Translation(Check):
    """Shifted along either axis, both ways."""

    name: ClassVar[str] = "translation"
    share: Annotated[float, Field(gt=0, le=0.5)] = 0.1

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 8

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        crop, changed, names = subject.crop[np.newaxis], [], []
        for axis in geometry.Axis:
            for share in (-self.share, -self.share / 2, self.share / 2, self.share):
                changed.append(geometry.shifted(crop, share, axis))
                names.append(f"{axis.name.lower()} by {share:+g} of the side")
        return finding.of_changes(subject, np.concatenate(changed), names)


class CropCheck(Check):
    """Cut closer: each corner and the centre of the image, enlarged."""

    name: ClassVar[str] = "crop"
    keep: Annotated[float, Field(gt=0.1, lt=1, description="share of each side")] = 0.875

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 5

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        height, width = subject.crop.shape[:2]
        rows, columns = round(self.keep * height), round(self.keep * width)
        down, across = height - rows, width - columns
        corners = {
            "top left": (0, 0), "top right": (0, across), "bottom left": (down, 0),
            "bottom right": (down, across), "centre": (down // 2, across // 2),
        }  # fmt: skip
        cut = [_enlarged(subject.crop, at, (rows, columns)) for at in corners.values()]
        return finding.of_changes(subject, np.stack(cut), list(corners))


def _enlarged(crop: Crops, at: tuple[int, int], size: tuple[int, int]) -> Crops:
    """A part of the crop in the crop's own size."""
    (top, left), (rows, columns) = at, size
    whole = Image.fromarray(crop)
    box = (left, top, left + columns, top + rows)
    return np.asarray(whole.resize(whole.size, Image.Resampling.BILINEAR, box=box))
