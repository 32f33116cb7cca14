"""BentoML with a worker a core, which is what its manual has for models on a CPU."""

import os
import sys
from pathlib import Path

import bentoml
from classifier import answer, decode, open_session

HERE = Path(__file__).parent


# Workers are processes of one thread each. Batching stays off: on a CPU it slows this model down.
@bentoml.service(workers="cpu_count", logging={"access": {"enabled": False}})
class Classifier:
    """Each worker has a session of one thread."""

    def __init__(self) -> None:
        """Load the graph."""
        self.session = open_session()

    @bentoml.api
    def classify(self, photo: bytes, /) -> dict[str, list[float]]:
        """Decode and classify; the body is the argument, as it comes."""
        return answer(self.session.run(["logits"], {"image": decode(photo)})[0][0])


if __name__ == "__main__":
    os.environ |= {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(Path.cwd())}
    command = ["bentoml", "serve", "server:Classifier", "--working-dir", str(HERE)]
    command += ["--host", "127.0.0.1", "--port", os.environ["PORT"]]
    os.execv(Path(sys.executable).with_name("bentoml"), command)  # noqa: S606
