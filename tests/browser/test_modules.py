"""The modules that compute, against independent implementations."""

import json
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from scipy.stats import chi2

from models.manifest import Preprocessing
from models.preprocess import crop_box
from service.core.palettes import colours

pytestmark = [pytest.mark.system, pytest.mark.slow]


def call(page: Page, module: str, expression: str, argument: Any = None) -> Any:
    """What an expression of a module `it` and of `given` comes to."""
    page.goto("/dashboard")
    program = (
        f"async (given) => {{ const it = await import('/web/{module}'); return {expression}; }}"
    )
    return page.evaluate(program, argument)


def test_the_colours_are_those_of_the_pictures_that_the_service_draws(page: Page) -> None:
    assert call(page, "colours.js", "it.colours()") == colours("ember").tolist()


def test_the_crop_is_the_one_that_the_model_sees(page: Page) -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(30, 5000, (300, 2)).tolist()
    for resize, crop in ((256, (224, 224)), (255, (224, 200)), (32, (32, 32))):
        seen = Preprocessing(
            resize=resize, crop=crop, resampling="bilinear", mean=(0, 0, 0), std=(1, 1, 1)
        )
        given = {"sizes": sizes, "seen": {"resize": resize, "crop": crop}}
        boxes = call(page, "crop.js", "given.sizes.map((s) => it.cropBox(s, given.seen))", given)
        np.testing.assert_allclose(boxes, [crop_box(tuple(s), seen) for s in sizes], rtol=1e-12)


def test_a_quantile_of_values_is_numpy_s(page: Page) -> None:
    values = np.sort(np.random.default_rng(0).exponential(size=37))
    found = call(page, "heatmap.js", "it.quantile(given, 0.99)", values.tolist())

    assert found == pytest.approx(np.quantile(values, 0.99))


def test_a_quantile_of_a_histogram_is_linear_within_its_bucket(page: Page) -> None:
    bounds, counts = np.array([0.1, 0.5, 1.0, 5.0]), np.array([4, 10, 3, 8])
    cumulative = [[float(b), int(c)] for b, c in zip(bounds, counts.cumsum(), strict=True)]
    given = [*cumulative, [1e300, 25]]
    for share in (0.01, 0.3, 0.5, 0.9, 1.0):
        expression = (
            f"it.histogramQuantile({share}, "
            "new Map(given.map(([b, c]) => [b > 1e299 ? Infinity : b, c])))"
        )
        expected = np.interp(share * 25, [0, *counts.cumsum()], [0, *bounds])
        assert call(page, "histogram.js", expression, given) == pytest.approx(expected)


def test_a_quantile_beyond_all_buckets_is_the_last_bound_and_of_nothing_none(page: Page) -> None:
    beyond = "it.histogramQuantile(0.9, new Map([[1, 1], [2, 1], [Infinity, 9]]))"
    nothing = "it.histogramQuantile(0.9, new Map([[1, 0], [Infinity, 0]]))"

    assert call(page, "histogram.js", beyond) == 2
    assert call(page, "histogram.js", nothing) is None


@pytest.mark.smoke
def test_a_scrape_is_read_as_prometheus_own_parser_reads_it(page: Page) -> None:
    registry = CollectorRegistry()
    Counter("answers", "With a \\ in it.", ["label"], registry=registry).labels(
        'a "quoted", {braced}\nback\\slash'
    ).inc(3)
    Gauge("level", "None.", registry=registry).set(-1.5e-9)
    Histogram("time", "None.", ["route"], registry=registry).labels("/x").observe(0.3)
    text = generate_latest(registry).decode()
    expected = [
        [sample.name, sample.labels, sample.value]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]

    found = call(
        page, "prometheus.js", "it.parse(given).map((s) => [s.name, s.labels, s.value])", text
    )
    assert found == json.loads(json.dumps(expected))


def test_the_stability_index_is_its_definition(page: Page) -> None:
    now, before = np.array([30, 60, 0, 10]), np.array([50, 20, 25, 5])
    p, q = ((counts + 0.5) / (counts.sum() + 2) for counts in (now, before))
    given = [now.tolist(), before.tolist()]

    found = call(page, "drift.js", "it.stabilityIndex(...given)", given)
    assert found == pytest.approx(float(((p - q) * np.log(p / q)).sum()))
    assert call(page, "drift.js", "it.stabilityIndex([49], [1000])") is None


def test_a_shift_is_what_chance_does_not_bring(page: Page) -> None:
    for now, before in (
        ([30, 20, 10], [20, 30, 40]),
        ([300] * 11, [2000] * 11),
        ([9] * 10, [50] * 10),
    ):
        by_chance = chi2.ppf(0.999, len(now) - 1) * (1 / sum(now) + 1 / sum(before))
        found = call(page, "drift.js", "it.shiftedFrom(...given)", [now, before])
        assert found == pytest.approx(max(0.25, by_chance), rel=0.03)


def test_a_chart_s_axis_ends_at_or_above_its_values_and_in_round_quarters(page: Page) -> None:
    values = np.random.default_rng(0).lognormal(0, 5, 300).tolist()
    tops = call(page, "chart.js", "given.map(it.ceiling)", values)

    for value, top in zip(values, tops, strict=True):
        assert value * (1 - 1e-9) <= top <= 2.5 * value
        quarter = top / 4
        mantissa = quarter / 10 ** np.floor(np.log10(quarter) + 1e-12)
        assert min(abs(mantissa - round_one) for round_one in (1, 2, 2.5, 5, 10)) < 1e-6


def test_the_statistic_that_exceeds_its_threshold_most_stands_for_a_model(page: Page) -> None:
    registry = CollectorRegistry()
    names = ("model", "version", "statistic")
    statistic = Gauge("seewhy_drift_statistic", "-", names, registry=registry)
    threshold = Gauge("seewhy_drift_threshold", "-", names, registry=registry)
    for model, measured in (
        ("tiles", {"predicted_psi": (0.2, 0.4), "confidence_psi": (0.3, 0.4)}),
        ("flowers", {"predicted_psi": (0.9, 0.3), "embedding_mahalanobis": (2.0, 4.0)}),
    ):
        for name, (value, limit) in measured.items():
            statistic.labels(model, "1", name).set(value)
            threshold.labels(model, "1", name).set(limit)
    scrape = generate_latest(registry).decode()

    program = "it.furthest((await import('/web/prometheus.js')).parse(given))"
    assert call(page, "reference.js", program, scrape) == [
        {"name": "tiles version 1", "statistic": "confidence psi", "value": 0.3, "threshold": 0.4},
        {"name": "flowers version 1", "statistic": "predicted psi", "value": 0.9, "threshold": 0.3},
    ]
