"""LitServe with a worker a core; batching is off, for on a CPU it slows this model down."""

import os
from typing import Any

import litserve
from classifier import answer, decode, open_session
from fastapi import Request


class Classifier(litserve.LitAPI):
    """Each worker has a session of one thread."""

    def setup(self, device: str) -> None:
        """Load the graph."""
        del device
        self.session = open_session()

    def decode_request(self, request: Request) -> bytes:
        """LitServe reads forms and JSON alone: the photo is a part of a form."""
        return request["images"].file.read()  # type: ignore[index]

    def predict(self, photo: bytes) -> Any:
        """Decode and classify."""
        return self.session.run(["logits"], {"image": decode(photo)})[0][0]

    def encode_response(self, logits: Any) -> dict[str, list[float]]:
        """The most probable classes."""
        return answer(logits)


if __name__ == "__main__":
    api = Classifier(api_path="/classify")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=os.cpu_count() or 1)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        generate_client_file=False,
        log_level="warning",
    )
