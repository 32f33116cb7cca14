"""What TorchServe's workers run."""

from typing import Any

from classifier import answer, decode, open_session


class Handler:
    """Each worker has a session of one thread."""

    def initialize(self, context: Any) -> None:
        """Load the graph."""
        del context
        self.session = open_session()

    def handle(self, requests: list[dict[str, Any]], context: Any) -> list[dict[str, list[float]]]:
        """Decode and classify; a batch is of one."""
        del context
        photo = requests[0]["body"]
        return [answer(self.session.run(["logits"], {"image": decode(photo)})[0][0])]
