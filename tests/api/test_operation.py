"""Health, readiness, models, metrics and documentation."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from starlette.testclient import TestClient

from models.errors import BundleNotFound, GoldenMismatch
from models.manifest import Graph
from models.repository import Repository
from service.api.schemas.classify import Classification, Classifications
from service.api.schemas.explain import Explanation, Explanations, TargetsExplanation
from service.api.schemas.images import Problem
from service.api.schemas.models import ModelDetails, ModelList
from service.api.schemas.operation import Readiness
from service.api.schemas.robustness import Robustness, Robustnesses
from service.app import create_app
from service.logs import FIELDS
from service.settings import Settings


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_the_process_is_alive(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readiness_shows_each_graph_and_its_provider(client: TestClient) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    Readiness.model_validate(response.json(), extra="forbid")
    assert response.json()["provider"] == "cpu"
    assert len(response.json()["devices"]) == 1
    (model,) = response.json()["models"]
    assert (model["name"], model["version"]) == ("tiny", 1)
    ready = {"state": "ready", "provider": "cpu", "reason": None}
    assert model["graphs"] == dict.fromkeys(["model", "cam", "gradient", "float"], ready)


def test_models_are_listed(client: TestClient) -> None:
    answer = client.get("/models").json()
    ModelList.model_validate(answer, extra="forbid")
    assert answer["models"] == [
        {
            "name": "tiny",
            "versions": [1],
            "current": 1,
            "serving": 1,
            "default": True,
            "loaded": [1],
            "error": None,
        }
    ]


def test_a_model_is_shown_with_its_manifest(client: TestClient, tiny_repository: Path) -> None:
    answer = client.get("/models/tiny?version=1").json()
    ModelDetails.model_validate(answer, extra="forbid")
    manifest = Repository(tiny_repository).open("tiny").manifest
    assert answer["manifest"] == manifest.model_dump(mode="json")


def test_a_model_is_shown_with_the_parameters_that_explain_takes(
    client: TestClient, red_left: bytes
) -> None:
    given = {
        "signed": "true", "samples": 1, "sigma": 0.1, "steps": 1, "baseline": "grey",
        "channels": 1, "window": 16, "stride": 16, "masks": 2, "seed": 1,
    }  # fmt: skip
    methods = client.get("/models/tiny").json()["methods"]
    assert {parameter for taken in methods.values() for parameter in taken} == given.keys()
    for method, taken in methods.items():
        asked = {"method": method, **{name: given[name] for name in taken}}
        assert client.post("/explain", params=asked, content=red_left).status_code == 200
        for name in given.keys() - set(taken):
            asked = {"method": method, name: given[name]}
            assert client.post("/explain", params=asked, content=red_left).status_code == 422


def test_requests_are_counted_by_route_model_and_outcome(
    client: TestClient, red_left: bytes
) -> None:
    good = key("seewhy_requests_total", route="/classify", model="tiny", outcome="ok")
    bad = key("seewhy_requests_total", route="/classify", model="", outcome="EmptyImage")
    lost = key("seewhy_requests_total", route="unknown", model="", outcome="Not Found")
    before = samples(client)
    client.post("/classify", content=red_left)
    client.post("/classify", content=b"")
    client.get("/no/such/route")
    after = samples(client)
    assert [after[k] - before.get(k, 0) for k in (good, bad, lost)] == [1, 1, 1]


def test_an_image_that_fails_alone_is_counted(client: TestClient, red_left: bytes) -> None:
    failed = key("seewhy_failed_images_total", route="/classify", error="UnsupportedFormat")
    before = samples(client).get(failed, 0)
    client.post("/classify", files=[("images", red_left), ("images", b"text")])
    assert samples(client)[failed] == before + 1


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """What the only line about a request says."""
    (line,) = (vars(record) for record in caplog.records if hasattr(record, FIELDS))
    return {"message": line["message"], **line[FIELDS]}


def test_a_request_is_one_line_of_the_log(
    client: TestClient, red_left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    response = client.post("/classify", content=red_left, headers={"traceparent": PARENT})

    line = logged(caplog)
    assert line["message"].startswith("POST /classify 200 ok ")
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert (line["traceparent"], line["model"], line["outcome"]) == (PARENT, "tiny", "ok")
    stages = line["stages_ms"]
    assert set(stages) == {"read", "decode", "queue", "inference", "postprocess"}
    assert sum(stages.values()) < line["total_ms"]


@pytest.mark.parametrize(
    "parent", ["", "00-0-0-01", PARENT.upper(), PARENT.replace("00-", "ff-", 1)]
)
def test_an_invalid_traceparent_is_not_logged(
    client: TestClient, caplog: pytest.LogCaptureFixture, parent: str
) -> None:
    caplog.set_level("INFO")
    client.get("/healthz", headers={"traceparent": parent})

    assert "traceparent" not in logged(caplog)


def test_a_path_cannot_forge_a_line_of_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client.get("/a%0Aforged")

    line = logged(caplog)
    assert line["message"].startswith("GET /a%0Aforged 404 Not Found")
    assert line["path"] == "/a%0Aforged"


def test_what_is_classified_is_counted_by_its_class(client: TestClient, red_left: bytes) -> None:
    counted = key("seewhy_predictions_total", model="tiny", label="red")
    before = samples(client).get(counted, 0)
    probability = client.post("/classify", content=red_left).json()["predictions"][0]["probability"]

    assert samples(client)[counted] == before + 1
    assert samples(client)[key("seewhy_confidence_ratio_sum", model="tiny")] >= probability


def test_stages_and_batches_are_measured(client: TestClient, red_left: bytes) -> None:
    before = samples(client)
    client.post("/explain?method=gradient", content=red_left)
    after = samples(client)
    for stage in ("read", "decode", "queue", "inference", "explain", "total"):
        counted = key("seewhy_stage_seconds_count", route="/explain", stage=stage)
        assert after[counted] == before.get(counted, 0) + 1
    for graph in ("model", "gradient"):
        rows = key("seewhy_batch_rows_sum", graph=graph)
        assert after[rows] == before.get(rows, 0) + 1


def test_a_classification_has_its_postprocessing_measured(
    client: TestClient, red_left: bytes
) -> None:
    counted = key("seewhy_stage_seconds_count", route="/classify", stage="postprocess")
    before = samples(client).get(counted, 0)
    client.post("/classify", content=red_left)
    assert samples(client)[counted] == before + 1


def test_metrics_say_which_bundle_is_run_by_which_provider(client: TestClient) -> None:
    found = samples(client)
    assert found[key("seewhy_bundle_info", model="tiny", version="1", provider="cpu")] == 1
    assert found[key("seewhy_queue_rows", model="tiny", version="1", graph="model")] == 0


def test_openapi_documents_the_three_kinds_of_body_and_problems(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/classify", "/explain"):
        operation = paths[path]["post"]
        assert set(operation["requestBody"]["content"]) >= {
            "image/*",
            "application/octet-stream",
            "multipart/form-data",
            "application/json",
        }
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert {"model", "version"} < names
    assert "image/png" in paths["/explain"]["post"]["responses"]["200"]["content"]


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_interactive_documentation_needs_no_other_host(client: TestClient, page: str) -> None:
    html = client.get(page).text

    loaded = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert any(address.endswith(".js") for address in loaded)
    for address in loaded:
        assert address.startswith("/"), address
        assert client.get(address).status_code == 200, address


def test_openapi_says_that_metrics_are_text(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    assert list(paths["/metrics"]["get"]["responses"]["200"]["content"]) == ["text/plain"]


def test_a_service_without_its_default_model_does_not_start(tmp_path: Path) -> None:
    settings = Settings(repository=tmp_path, provider="cpu")
    with pytest.raises(BundleNotFound), TestClient(create_app(settings)):
        pass


def test_a_bundle_that_disagrees_with_its_reference_is_not_served(settings: Settings) -> None:
    def open_graph(_: object, graph: Graph) -> object:
        raise GoldenMismatch(f"{graph}: wrong")

    app = create_app(settings, open_graph=open_graph)  # type: ignore[arg-type]
    with pytest.raises(GoldenMismatch), TestClient(app):
        pass


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/classify?robustness=fast", "Classification"),
        ("/classify?explain=gradcam", "Classification"),
        ("/explain", "Explanation"),
        ("/robustness", "Robustness"),
    ],
)
def test_openapi_has_the_fields_in_the_order_of_the_answers(
    client: TestClient, red_left: bytes, path: str, schema: str
) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answer = client.post(path, content=red_left).json()
    required = set(schemas[schema]["required"])
    assert [n for n in schemas[schema]["properties"] if n in answer] == list(answer)
    assert required <= answer.keys()


def test_openapi_shows_an_answer_for_several_targets(client: TestClient) -> None:
    explain = client.get("/openapi.json").json()["paths"]["/explain"]["post"]
    examples = explain["responses"]["200"]["content"]["application/json"]["examples"]
    shown = examples["one image, several targets"]["value"]
    TargetsExplanation.model_validate(shown, extra="forbid")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/models", "/metrics", "/docs", "/none"])
def test_the_head_alone_may_be_asked_for(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_the_head_of_what_is_posted_is_refused(client: TestClient) -> None:
    assert client.head("/classify").status_code == 405


@pytest.mark.parametrize(
    ("path", "one", "several"),
    [
        ("/classify", Classification, Classifications),
        ("/explain", Explanation, Explanations),
        ("/robustness", Robustness, Robustnesses),
    ],
)
def test_openapi_shows_an_answer_of_each_kind_and_an_error(
    client: TestClient, path: str, one: type[BaseModel], several: type[BaseModel]
) -> None:
    responses = client.get("/openapi.json").json()["paths"][path]["post"]["responses"]
    content = responses["200"]["content"]["application/json"]
    assert "schema" in content
    examples = content["examples"]
    one.model_validate(examples["one image"]["value"], extra="forbid")
    broken = examples["several images, one of them broken"]["value"]
    several.model_validate(broken, extra="forbid")
    problem = responses["default"]["content"]["application/problem+json"]
    Problem.model_validate(problem["example"], extra="forbid")


@pytest.mark.skipif(os.cpu_count() == 1, reason="NumPy has no threads of its own on one core")
def test_products_are_computed_in_the_threads_of_the_requests(tiny_repository: Path) -> None:
    program = (
        "from starlette.testclient import TestClient\n"
        "from threadpoolctl import threadpool_info\n"
        "from service.app import create_app\n"
        "from service.settings import Settings\n"
        f"app = create_app(Settings(repository={str(tiny_repository)!r}, threads=1))\n"
        "def threads():\n"
        "    blas = [each for each in threadpool_info() if each['user_api'] == 'blas']\n"
        "    return {each['num_threads'] for each in blas}\n"
        "before = threads()\n"
        "with TestClient(app):\n"
        "    print(before, threads())\n"
        "print(threads())\n"
    )
    # In a process of its own: only the first thread that limits them there can.
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n") == ["{2} {1}", "{2}", ""]
