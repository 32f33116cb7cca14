"""MLServer with a custom runtime and a worker process a core ("parallel inference")."""

import os
from typing import Annotated

import uvloop
from classifier import answer, decode, open_session
from fastapi import Body
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.handlers import custom_handler


class Classifier(MLModel):
    """Each worker has a session of one thread."""

    async def load(self) -> bool:
        """Load the graph."""
        self.session = open_session()
        return True

    @custom_handler(rest_path="/classify")
    async def classify(self, photo: Annotated[bytes, Body()]) -> dict[str, list[float]]:
        """Decode and classify the bytes as they come: the V2 protocol's JSON would cost more."""
        return answer(self.session.run(["logits"], {"image": decode(photo)})[0][0])


async def main() -> None:
    """Start the server; its gRPC takes any free port, and metrics would take another."""
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        http_port=int(os.environ["PORT"]),
        grpc_port=0,
        metrics_endpoint=None,
        parallel_workers=os.cpu_count() or 1,  # as the manual has it for work bound by the cores
    )
    await MLServer(settings).start([ModelSettings(name="classify", implementation=Classifier)])


if __name__ == "__main__":
    uvloop.run(main())  # as `mlserver start` does
