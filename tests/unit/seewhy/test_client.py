import asyncio
import base64
import email.policy
import json
import os
import subprocess
import sys
import threading
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from models.errors import InvalidRequest
from seewhy import AsyncClient, Classified, Client, Failed, Picture, ServerError, calls
from seewhy.calls import RobustnessOptions
from service.api import examples
from service.api.schemas import classify, explain, robustness, similar

TIMINGS = {"read": 0.1, "decode": 2.0, "queue": 0.1, "inference": 9.8, "total": 12.3}
CAT = {"label": "tabby, tabby cat", "index": 281, "probability": 0.61}
MODEL = {"name": "efficientnet_lite0", "version": 1}


def classified(image_id: str = "r/0") -> dict[str, Any]:
    timings = {**TIMINGS, "postprocess": 0.2}
    return {"image_id": image_id, "predictions": [CAT], "calibrated": False, "timings_ms": timings}


def classification() -> dict[str, Any]:
    return {"request_id": "r", "model": MODEL, **classified()}


def problem(status: int, detail: str) -> dict[str, Any]:
    return {
        "type": "urn:seewhy:corrupt-image",
        "title": "Corrupt image",
        "status": status,
        "detail": detail,
        "request_id": "r",
    }


def client(*answers: httpx.Response, timeout: float = 5.0) -> tuple[Client, list[httpx.Request]]:
    """A client whose server gives these answers, and the requests that it gets."""
    requests: list[httpx.Request] = []
    left = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return next(left)

    return Client("http://server", timeout=timeout, transport=httpx.MockTransport(answer)), requests


def parts(request: httpx.Request) -> list[tuple[str | None, bytes]]:
    """The names and contents of a multipart request, read by the standard library."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + request.content)
    return [
        (part["content-disposition"].params.get("name"), bytes(part.get_payload(decode=True)))
        for part in message.iter_parts()
    ]


def test_classify_sends_a_raw_body_and_the_options_that_were_given() -> None:
    seewhy, requests = client(httpx.Response(200, json=classification()))

    found = seewhy.classify(b"photo", top_k=3, model=None)

    assert found.predictions[0].label == "tabby, tabby cat"
    assert found.model.version == 1
    assert requests[0].url == "http://server/classify?top_k=3"
    assert requests[0].content == b"photo"
    assert requests[0].headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_photo_can_be_a_path(tmp_path: Path, kind: type[str] | type[Path]) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"from a file")
    seewhy, requests = client(httpx.Response(200, json=classification()))

    seewhy.classify(kind(file))

    assert requests[0].content == b"from a file"


def test_a_key_is_sent_as_a_bearer_token() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=classification())

    Client("http://server", api_key="mine", transport=httpx.MockTransport(answer)).classify(b"")
    asked = AsyncClient("http://server", api_key="mine", transport=httpx.MockTransport(answer))
    asyncio.run(asked.classify(b""))

    assert [request.headers["Authorization"] for request in requests] == ["Bearer mine"] * 2


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (calls.ClassifyOptions, classify.ClassifyOptions),
        (calls.ExplainOptions, explain.ExplainOptions),
        (calls.RobustnessOptions, robustness.RobustnessOptions),
        (calls.SimilarOptions, similar.SimilarOptions),
        (calls.CommonOptions, similar.EmbedOptions),
    ],
)
def test_all_that_the_service_can_be_asked_is_an_option(
    mine: type, theirs: type[BaseModel]
) -> None:
    assert mine.__annotations__.keys() >= theirs.model_fields.keys() - {"targets"}


def test_no_photo_at_all_is_refused_before_anything_is_sent() -> None:
    seewhy, requests = client(httpx.Response(200))

    with pytest.raises(InvalidRequest, match="no photo"):
        seewhy.classify_many([])
    assert requests == []


def test_classify_many_sends_one_multipart_request_and_keeps_the_order() -> None:
    results = [classified("r/0"), {"image_id": "r/1", "error": problem(422, "cut off")}]
    answer = httpx.Response(200, json={"request_id": "r", "model": MODEL, "results": results})
    seewhy, requests = client(answer)

    first, second = seewhy.classify_many([b"one", b"two"], top_k=1)

    assert isinstance(first, Classified)
    assert isinstance(second, Failed)
    assert second.error.detail == "cut off"
    (options_name, options), *images = sorted(
        parts(requests[0]), key=lambda part: part[0] != "options"
    )
    assert (options_name, json.loads(options)) == ("options", {"top_k": 1})
    assert images == [("images", b"one"), ("images", b"two")]


def test_explain_reads_the_map() -> None:
    explanation = {
        "method": "gradcam",
        "target": CAT,
        "map": {
            "dtype": "float32",
            "shape": [1, 2],
            "data": [[0.0, 1.5]],
            "min": 0.0,
            "max": 1.5,
        },
        "box": [0, 0, 10, 20],
        "passes": 1,
        "completeness_gap": None,
        "against": None,
        "note": None,
    }
    answer = {
        "request_id": "r",
        "model": MODEL,
        "image_id": "r/0",
        "explanation": explanation,
        "timings_ms": TIMINGS | {"explain": 1.0},
    }
    seewhy, requests = client(httpx.Response(200, json=answer))

    found = seewhy.explain(b"photo", method="gradcam", target=281)

    assert found.explanation.map.data == [[0.0, 1.5]]
    assert dict(requests[0].url.params) == {"method": "gradcam", "target": "281"}
    assert requests[0].headers["accept"] == "application/json"


def test_explain_targets_asks_for_each_and_reads_their_maps() -> None:
    answer = examples.EXPLAIN["one image, several targets"]["value"]
    seewhy, requests = client(httpx.Response(200, json=answer))

    found = seewhy.explain_targets(b"photo", ["tabby", 282], method="gradient")

    assert requests[0].url.params.get_list("targets") == ["tabby", "282"]
    assert requests[0].url.params["method"] == "gradient"
    assert [each.target.index for each in found.explanations] == [282, 282]


def test_robustness_reads_the_verdict() -> None:
    answer = examples.ROBUSTNESS["one image"]["value"]
    seewhy, requests = client(httpx.Response(200, json=answer))

    found = seewhy.robustness(b"photo", checks="fgsm@linf:1/255", seed=3)

    assert requests[0].url.path == "/robustness"
    assert dict(requests[0].url.params) == {"checks": "fgsm@linf:1/255", "seed": "3"}
    assert found.robustness.verdict == "fragile"
    threat = found.robustness.checks[0].threat
    assert threat is not None
    assert threat.norm == "linf"


def test_embed_reads_the_vector() -> None:
    head = {"request_id": "r", "model": MODEL, "image_id": "r/0", "timings_ms": TIMINGS}
    seewhy, requests = client(httpx.Response(200, json={**head, "embedding": [0.5, -1.0]}))

    assert seewhy.embed(b"photo", version=2).embedding == [0.5, -1.0]
    assert requests[0].url.path == "/embed"
    assert dict(requests[0].url.params) == {"version": "2"}


def test_similar_reads_the_neighbours() -> None:
    shown = base64.b64encode(b"\xff\xd8 a JPEG").decode()
    neighbour = {"id": "train/cat/7.jpg", "label": "cat", "index": 0, "distance": 0.25}
    seen = {**neighbour, "thumbnail": shown}
    timings = {**TIMINGS, "search": 0.2}
    head = {"request_id": "r", "model": MODEL, "image_id": "r/0", "timings_ms": timings}
    seewhy, requests = client(httpx.Response(200, json={**head, "neighbours": [seen, neighbour]}))

    found, unseen = seewhy.similar(b"photo", top_k=2).neighbours

    assert (found.id, found.distance) == ("train/cat/7.jpg", 0.25)
    assert found.thumbnail == b"\xff\xd8 a JPEG"
    assert unseen.thumbnail is None
    assert requests[0].url.path == "/similar"
    assert dict(requests[0].url.params) == {"top_k": "2"}


def test_an_adversarial_image_is_asked_for_as_a_png() -> None:
    seewhy, requests = client(httpx.Response(200, content=b"\x89PNG"))

    assert seewhy.adversarial(b"photo", level="fast") == Picture(b"\x89PNG", note=None)
    assert requests[0].headers["Accept"] == "image/png"


def test_heat_map_asks_for_a_png_and_hands_its_note_on() -> None:
    note = {"X-SeeWhy-Note": "all zero"}
    seewhy, requests = client(httpx.Response(200, content=b"\x89PNG", headers=note))

    assert seewhy.heat_map(b"photo") == Picture(b"\x89PNG", note="all zero")
    assert requests[0].headers["accept"] == "image/png"


def test_an_error_says_what_the_service_said() -> None:
    seewhy, _ = client(httpx.Response(422, json=problem(422, "the JPEG is cut off")))

    with pytest.raises(ServerError, match=r"^the JPEG is cut off$") as caught:
        seewhy.classify(b"photo")

    assert caught.value.status == 422


def test_an_error_that_is_no_problem_object_is_told_by_its_status() -> None:
    seewhy, _ = client(httpx.Response(502, html="<h1>proxy</h1>"))

    with pytest.raises(ServerError, match="502 Bad Gateway") as caught:
        seewhy.classify(b"photo")

    assert caught.value.status == 502


def test_an_answer_that_makes_no_sense_is_an_error() -> None:
    seewhy, _ = client(httpx.Response(200, json={"hello": "world"}))

    with pytest.raises(ServerError, match="unreadable"):
        seewhy.classify(b"photo")


def test_no_answer_is_an_error_without_status() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    seewhy = Client(transport=httpx.MockTransport(refuse))

    with pytest.raises(ServerError, match=r"127.0.0.1:8000/classify: connection") as caught:
        seewhy.classify(b"photo")

    assert caught.value.status is None


def busy(seconds: float) -> httpx.Response:
    return httpx.Response(503, json=problem(503, "full"), headers={"Retry-After": str(seconds)})


def test_a_busy_service_is_asked_again_with_the_same_photo() -> None:
    seewhy, requests = client(busy(0), busy(0.01), httpx.Response(200, json=classification()))

    found = seewhy.classify(b"photo")

    assert found.request_id == "r"
    assert [request.content for request in requests] == [b"photo"] * 3


def test_a_service_that_stays_busy_past_the_timeout_is_an_error() -> None:
    seewhy, requests = client(busy(0), busy(60), timeout=1)

    with pytest.raises(ServerError, match="full") as caught:
        seewhy.classify(b"photo")

    assert caught.value.status == 503
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 5),
        ({"level": "fast"}, 5),
        ({"level": "thorough"}, 26 * 5),
        ({"checks": "square,queries=200"}, 10),
        ({"level": "thorough", "timeout_ms": 60_000}, 60),
        ({"timeout_ms": 100}, 5),
        ({"checks": "carlini"}, 5),
        ({"level": "endless"}, 5),
    ],
)
def test_an_answer_is_waited_for_as_long_as_its_checks_may_take(
    options: RobustnessOptions, seconds: float
) -> None:
    seewhy, requests = client(httpx.Response(200, content=b"\x89PNG"), timeout=5)

    seewhy.adversarial(b"photo", **options)

    waits = requests[0].extensions["timeout"]
    assert waits == {"connect": 5, "read": seconds, "write": 5, "pool": 5}


def test_the_checks_of_several_photos_take_longer() -> None:
    answers = (httpx.Response(422, json=problem(422, "cut off")) for _ in range(2))
    seewhy, requests = client(*answers, timeout=5)

    for level in ("thorough", None):
        with pytest.raises(ServerError):
            seewhy.classify_many([b"photo"] * 50, robustness=level)

    assert [request.extensions["timeout"]["read"] for request in requests] == [1255 * 5, 5]


def test_the_asynchronous_client_does_the_same() -> None:
    answers = iter(
        [
            busy(0),
            httpx.Response(200, json=classification()),
            httpx.Response(200, content=b"\x89PNG"),
            httpx.Response(422, json=problem(422, "cut off")),
        ]
    )
    transport = httpx.MockTransport(lambda _: next(answers))

    async def scenario() -> None:
        async with AsyncClient("http://server", transport=transport) as seewhy:
            assert (await seewhy.classify(b"photo")).predictions[0].index == 281
            assert (await seewhy.heat_map(b"photo")).png == b"\x89PNG"
            with pytest.raises(ServerError, match="cut off"):
                await seewhy.explain(b"photo")

    asyncio.run(scenario())


def test_other_tasks_go_on_while_a_file_is_read(tmp_path: Path) -> None:
    path, happened = tmp_path / "photo", list[str]()
    os.mkfifo(path)  # whose reader waits until something is written

    def write() -> None:
        happened.append("file")
        path.write_bytes(b"photo")

    async def scenario() -> None:
        transport = httpx.MockTransport(lambda _: httpx.Response(200, json=classification()))
        async with AsyncClient("http://server", transport=transport) as seewhy:
            writer = threading.Timer(1, write)
            writer.start()
            reading = asyncio.create_task(seewhy.classify(path))
            await asyncio.sleep(0.01)
            happened.append("other task")
            await reading

    asyncio.run(scenario())

    assert happened == ["other task", "file"]


def test_other_tasks_go_on_until_a_request_is_sent_again() -> None:
    happened: list[str] = []
    left = iter([httpx.Response(503, headers={"Retry-After": "1"}), httpx.Response(200)])

    async def scenario() -> None:
        asked = asyncio.Event()

        def answer(_: httpx.Request) -> httpx.Response:
            happened.append("request")
            asked.set()
            return next(left)

        transport = httpx.MockTransport(answer)
        async with AsyncClient("http://server", transport=transport) as seewhy:
            asking = asyncio.create_task(seewhy.heat_map(b"photo"))
            await asked.wait()
            await asyncio.sleep(0.01)
            happened.append("other task")
            await asking

    asyncio.run(scenario())

    assert happened == ["request", "other task", "request"]


def test_importing_seewhy_loads_neither_runtime_nor_torch_nor_web_framework() -> None:
    heavy = "{'onnxruntime', 'torch', 'fastapi', 'uvicorn'}"
    program = f"import seewhy, sys; print({heavy} & set(sys.modules) or 'none')"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "none"
