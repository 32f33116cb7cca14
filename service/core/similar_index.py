"""The index of a model's training images; one that takes seconds is learned after the start."""

import logging

from models.errors import NotReady, RuntimeFailure
from models.reference import Reference
from service.core import retrieval
from service.core.retrieval import Index, Search
from service.core.status import State, Status

logger = logging.getLogger(__name__)


class SimilarIndex:
    """May be used while another thread loads it.

    `search` is how it finds what is nearest: `exact`, which is there at once, or `quantized`.
    """

    def __init__(self, images: Reference, search: Search) -> None:
        """Settle the search.

        Args:
            images: what is searched.
            search: how, if it is not left open.

        Raises:
            NotInstalled: the search that was asked for needs faiss, which is not there.
        """
        self._images = images
        self.search = retrieval.settle(search, len(images.embedding))
        self._index: Index | None = None
        self._failure: str | None = None
        if self.search is Search.EXACT:
            self.load()

    @property
    def status(self) -> Status:
        """Whether it can be searched."""
        if self._failure is not None:
            return Status(State.FAILED, self._failure)
        return Status(State.LOADING if self._index is None else State.READY)

    def load(self) -> None:
        """Make it, where that is not done yet; a failure shows in `status`."""
        if self._index is not None:
            return
        try:
            self._index = retrieval.index(self._images, self.search)
        except Exception as error:  # or the state would be "loading" for ever
            logger.exception("similar images are not served")
            self._failure = str(error)

    def ready(self) -> Index:
        """What is searched.

        Raises:
            NotReady: it is still being made.
            RuntimeFailure: it could not be made.
        """
        if self._failure is not None:
            raise RuntimeFailure(f"similar images cannot be found: {self._failure}")
        if self._index is None:
            raise NotReady("the index of the training images is still being made")
        return self._index
