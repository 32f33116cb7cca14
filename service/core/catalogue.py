"""The models that are served: loaded when first asked for, the longest unused one given up."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, RLock

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import BundleNotFound, InvalidRequest, NotReady
from models.repository import Repository
from service.core.serving import ServedModel

DEFAULT_NAME = "efficientnet_lite0"

_Key = tuple[str, int]


class Catalogue:
    """Loaded models by name and version. Safe to use from several threads.

    Where no version is asked for, the one that was current at the first such request
    stays the answer, until another is promoted.
    """

    def __init__(
        self,
        repository: Repository,
        serve: Callable[[Bundle], ServedModel],
        *,
        default_name: str | None,
        capacity: int,
    ) -> None:
        """Prepare to load; nothing is loaded yet.

        Args:
            repository: where bundles lie.
            serve: loads a bundle whose files are verified.
            default_name: the model where a request names none; None for
                `efficientnet_lite0` where there is one, else the only model there is.
            capacity: most models loaded at once, at least 1.

        Raises:
            BundleNotFound: no default model can be told.
        """
        self.repository = repository
        self.default_name = default_name or default_model(repository)
        self._serve = serve
        self._capacity = capacity
        self._models: OrderedDict[_Key, ServedModel] = OrderedDict()
        self._current: dict[str, int] = {}
        self._access = RLock()
        self._loading = Lock()
        self._closed = False

    def loaded(self) -> list[ServedModel]:
        """The models that are loaded now."""
        with self._access:
            return list(self._models.values())

    def serving(self, name: str) -> int | None:
        """The version that answers where none is asked for; None until a request needs one."""
        with self._access:
            version = self._current.get(name, 0)
            return version if (name, version) in self._models else None

    def find(self, name: str | None, version: int | None) -> ServedModel | None:
        """A model if it is loaded; takes no time."""
        name = name or self.default_name
        with self._access:
            key = (name, version or self._current.get(name, 0))
            model = self._models.get(key)
            if model is not None:
                self._models.move_to_end(key)
            return model

    def borrow(self, name: str | None, version: int | None) -> ServedModel | None:
        """As `find`, for a request that uses the model: it has to `release` it."""
        with self._access:
            model = self.find(name, version)
            if model is not None:
                model.acquire()
            return model

    def expect(self, name: str | None, version: int | None) -> None:
        """Look whether a model can be loaded at all; waits for no other that is being loaded.

        Raises:
            BundleNotFound: the repository has no such model or version.
        """
        name = name or self.default_name
        versions = self.repository.versions(name)
        if version is not None and version not in versions:
            listed = ", ".join(map(str, versions))
            raise BundleNotFound(f"{name} has no version {version}; there are: {listed}")

    def load(self, name: str | None, version: int | None) -> ServedModel:
        """A model, loaded from the repository if it has to be; takes its time.

        Raises:
            BundleNotFound: the repository has no such model or version.
            BundleError: the bundle cannot be used.
            RuntimeFailure: the runtime cannot load or run it.
            NotReady: the catalogue is closed.
        """
        name = name or self.default_name
        with self._loading:
            if found := self.find(name, version):
                return found
            if self._closed:
                raise NotReady("the service is shutting down")
            bundle = self.repository.open(name, version)
            key = (name, bundle.manifest.version)
            model = self._models.get(key)
            if model is None:
                bundles.verify(bundle)
                model = self._serve(bundle)
            with self._access:
                self._models[key] = model
                if version is None:
                    self._current[name] = bundle.manifest.version
                surplus = self._take_surplus()
            for unused in surplus:
                unused.close()
            return model

    def promote(self, name: str, version: int) -> None:
        """Let a version answer where none is asked for; loaded and checked before it does.

        The version that answered stays loaded, so that promoting it again takes no time.

        Raises:
            SeeWhyError: what `load` raises; then nothing has changed.
        """
        self.load(name, version)
        with self._access:
            self._current[name] = version

    def unload(self, name: str, version: int) -> None:
        """Give a version up, once no request uses it.

        Raises:
            BundleNotFound: it is not loaded.
            InvalidRequest: it answers where no version is asked for.
        """
        with self._access:
            if version == self._current.get(name):
                raise InvalidRequest(f"{name} version {version} is serving: promote another first")
            model = self._models.pop((name, version), None)
        if model is None:
            raise BundleNotFound(f"{name} version {version} is not loaded")
        model.close()

    def close(self) -> None:
        """Have all models answer what they let in, and give them up."""
        with self._loading, self._access:
            self._closed = True
            models = list(self._models.values())
            self._models.clear()
        for model in models:
            model.close()

    def _take_surplus(self) -> list[ServedModel]:
        """Remove the longest unused models beyond the capacity, never the default one."""
        kept = (self.default_name, self._current.get(self.default_name, 0))
        removable = [key for key in list(self._models)[:-1] if key != kept]
        surplus = removable[: max(0, len(self._models) - self._capacity)]
        return [self._models.pop(key) for key in surplus]


def default_model(repository: Repository) -> str:
    """`efficientnet_lite0` where there is one, else the only model there is.

    Raises:
        BundleNotFound: there are several others, or none.
    """
    names = repository.names()
    if DEFAULT_NAME in names:
        return DEFAULT_NAME
    if len(names) == 1:
        return names[0]
    if not names:
        raise BundleNotFound(f"there is no bundle in the repository {repository.root}")
    raise BundleNotFound(
        f"name a model, or the default one (SEEWHY_DEFAULT_MODEL); there are: {', '.join(names)}"
    )
