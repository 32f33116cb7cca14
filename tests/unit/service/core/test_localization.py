import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from service.core.localization import object_box, to_photo


def blob(left: int, top: int, right: int, bottom: int) -> npt.NDArray[np.float32]:
    saliency = np.zeros((100, 160), dtype=np.float32)
    saliency[top:bottom, left:right] = 1
    return saliency


def possible_boxes(saliency: npt.NDArray[np.floating]) -> list[tuple[float, ...]]:
    """What the documented rule allows, by SciPy: of equally large components, any."""
    sigma = 0.05 * min(saliency.shape)
    # SciPy has zeros outside, where ours lets the weights inside sum to 1.
    weight = ndimage.gaussian_filter(np.ones(saliency.shape), sigma, mode="constant", truncate=20)
    smooth = ndimage.gaussian_filter(
        saliency.astype(np.float64), sigma, mode="constant", truncate=20
    )
    smooth /= weight
    labels, count = ndimage.label(smooth >= 0.4 * smooth.max())
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [
        (columns.start, rows.start, columns.stop, rows.stop)
        for size, (rows, columns) in zip(sizes, ndimage.find_objects(labels), strict=True)
        if size == sizes.max()
    ]


def test_the_box_is_that_of_the_bright_part() -> None:
    assert object_box(blob(40, 20, 120, 60)) == pytest.approx((40, 20, 120, 60), abs=2)


def test_of_two_parts_the_larger_counts() -> None:
    saliency = np.maximum(blob(5, 5, 25, 25), blob(80, 40, 150, 90))
    assert object_box(saliency) == object_box(blob(80, 40, 150, 90))


def test_parts_are_counted_by_pixels_and_not_by_their_box() -> None:
    frame = blob(10, 10, 90, 90) - blob(16, 16, 84, 84)
    filled = blob(100, 20, 158, 80)
    assert object_box(np.maximum(frame, filled)) == pytest.approx((100, 20, 158, 80), abs=3)


def test_near_pixels_hang_together() -> None:
    saliency = np.zeros((100, 160), dtype=np.float32)
    saliency[20:61:4, 40:121:4] = 1
    assert object_box(saliency) == pytest.approx((40, 20, 121, 61), abs=3)


def test_a_stray_pixel_does_not_stretch_the_box() -> None:
    saliency = blob(40, 20, 120, 60)
    saliency[99, 159] = 1
    assert object_box(saliency) == object_box(blob(40, 20, 120, 60))


def test_faint_background_does_not_count() -> None:
    saliency = np.maximum(blob(40, 20, 120, 60), 0.1)
    assert object_box(saliency) == pytest.approx(object_box(blob(40, 20, 120, 60)), abs=1)


def test_the_scale_of_the_map_does_not_matter() -> None:
    tiny = blob(40, 20, 120, 60) * np.float32(1e-30)
    assert object_box(tiny) == object_box(blob(40, 20, 120, 60))


def test_an_all_zero_map_has_no_box() -> None:
    assert object_box(np.zeros((5, 5), dtype=np.float32)) is None


@pytest.mark.parametrize("seed", range(40))
def test_the_box_is_that_of_the_largest_component(seed: int) -> None:
    rng = np.random.default_rng(seed)
    saliency = rng.random((37, 53)) ** rng.integers(1, 40)
    assert object_box(saliency) in possible_boxes(saliency)


@pytest.mark.parametrize("seed", range(40))
def test_the_box_of_an_enlarged_map_is_found_from_the_few_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.random((7, 9)).astype(np.float32) ** rng.integers(1, 9)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(coarse)[None, None], (56, 63), mode="bilinear", align_corners=False
    )
    saliency = large[0, 0].numpy()
    assert object_box(saliency, coarse) in possible_boxes(saliency)


def test_a_box_is_carried_over_to_the_photo() -> None:
    crop = (100.0, 50.0, 500.0, 450.0)
    assert to_photo((0, 0, 200, 100), (100, 200), crop) == crop
    assert to_photo((50, 25, 100, 50), (100, 200), crop) == pytest.approx((200, 150, 300, 250))
