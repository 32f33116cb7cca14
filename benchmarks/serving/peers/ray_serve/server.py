"""Ray Serve with a replica a core and what its manual has for throughput."""

import os

# Read when Ray is imported. The first runs our code and its routing in one event loop and leaves
# requests out of stderr; the second, named for where it is the default, keeps Ray to the loopback
# but for a port that each replica has for others. HAProxy, which the manual has for still more
# throughput, would listen on every network.
os.environ |= {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}

import ray
from classifier import answer, decode, open_session
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse


# Batching is off, for on a CPU it slows this model down.
@serve.deployment(num_replicas=os.cpu_count() or 1, ray_actor_options={"num_cpus": 1})
class Classifier:
    """Each replica has a session of one thread."""

    def __init__(self) -> None:
        """Load the graph."""
        self.session = open_session()

    async def __call__(self, request: Request) -> JSONResponse:
        """Decode and classify; the length of a bare dict would not be in the answer's headers."""
        photo = await request.body()
        return JSONResponse(answer(self.session.run(["logits"], {"image": decode(photo)})[0][0]))


if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Classifier.bind(), route_prefix="/classify", blocking=True)
