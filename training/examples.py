"""Random images that a network tells apart, free of any licence."""

import torch

from models.manifest import Preprocessing

GRID = 7
"""Cells along a side of the coarse grid."""


def smooth_noise(count: int, size: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """uint8 [count, H, W, 3]: noise on a coarse grid, interpolated, with a little grain.

    It is nearer to photos than white noise, which a deep layer averages away until all
    images look alike to it.
    """
    coarse = torch.rand(count, 3, GRID, GRID, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=True)
    grain = torch.rand(count, 3, *size, generator=generator, dtype=torch.float64)
    return ((0.9 * smooth + 0.1 * grain) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def example(preprocessing: Preprocessing, batch: int, *, seed: int = 0) -> torch.Tensor:
    """A seeded batch of smooth noise: float32 [batch, 3, H, W], multiples of 1/255 in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    images = smooth_noise(batch, preprocessing.crop, generator)
    return images.permute(0, 3, 1, 2).float().div(255).contiguous()
