"""The models that are served: loaded when first asked for, the longest unused one given up."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, RLock, Thread

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import (
    BundleError,
    BundleNotFound,
    InvalidRequest,
    NotReady,
    OutputError,
    RuntimeFailure,
)
from models.repository import Repository
from service.core.serving import ServedModel

DEFAULT_NAME = "efficientnet_lite0"

_Key = tuple[str, int]


class Catalogue:
    """Loaded models by name and version. Safe to use from several threads.

    Where no version is asked for, the one that was current at the first such request
    stays the answer, also when it was given up meanwhile, until another is promoted.
    """

    def __init__(
        self,
        repository: Repository,
        serve: Callable[[Bundle], ServedModel],
        *,
        default_name: str | None,
        capacity: int,
        trim: Callable[[], None] = lambda: None,
        load_failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to load; nothing is loaded yet.

        Args:
            repository: where bundles lie.
            serve: loads a bundle whose files are verified.
            default_name: the model where a request names none; None for
                `efficientnet_lite0` where there is one, else the only model there is.
            capacity: most models loaded at once, at least 1.
            trim: called after models were closed; has their memory leave the process.
            load_failed: called where a bundle is there and cannot be loaded.

        Raises:
            BundleNotFound: no default model can be told.
        """
        self.repository = repository
        self.default_name = default_name or default_model(repository)
        self._serve = serve
        self._capacity = capacity
        self._trim = trim
        self._load_failed = load_failed
        self._models: OrderedDict[_Key, ServedModel] = OrderedDict()
        self._current: dict[str, int] = {}
        self._access = RLock()
        self._loading = Lock()
        self._closing: list[Thread] = []
        self._closed = False

    def loaded(self) -> list[ServedModel]:
        """The models that are loaded now."""
        with self._access:
            return list(self._models.values())

    def serving(self, name: str) -> int | None:
        """The version that answers where none is asked for; None until a request needs one."""
        with self._access:
            return self._current.get(name)

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
        try:
            return self._load(name or self.default_name, version)
        except BundleNotFound:
            raise
        except (BundleError, RuntimeFailure):
            self._load_failed()
            raise

    def _load(self, name: str, version: int | None) -> ServedModel:
        with self._loading:
            if found := self.find(name, version):
                return found
            if self._closed:
                raise NotReady("the service is shutting down")
            bundle = self.repository.open(name, version or self._settled(name))
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
            self._close(surplus)
            return model

    def promote(self, name: str, version: int, *, until_restart: bool = False) -> None:
        """Let a version answer where none is asked for; loaded and checked before it does.

        The version that answered stays loaded, so that promoting it again takes no time.

        Args:
            name: of the model.
            version: which is to answer.
            until_restart: leave the repository as it is; else the version becomes current
                there, so that it answers after a restart too.

        Raises:
            OutputError: the repository cannot be written; nothing has changed.
            SeeWhyError: what `load` raises; nothing has changed.
        """
        self.load(name, version)
        if not until_restart:
            self._make_current(name, version)
        with self._access:
            self._current[name] = version

    def unload(self, name: str, version: int) -> None:
        """Give a version up; it is closed once no request uses it.

        Raises:
            BundleNotFound: it is not loaded.
            InvalidRequest: it answers where no version is asked for.
        """
        with self._access:
            if version == self._current.get(name):
                raise InvalidRequest(f"{name} version {version} is serving: promote another first")
            if (name, version) not in self._models:
                raise BundleNotFound(f"{name} version {version} is not loaded")
            unloaded = [self._models.pop((name, version))]
        self._close(unloaded)

    def give_up_idle(self) -> Bundle | None:
        """Give up the longest unused model that no request is using; None where there is none.

        The default model stays, and of the others the one that was used last: two models that
        are asked for in turn would else be loaded for every request.
        """
        with self._access:
            idle = [key for key in self._removable() if not self._models[key].in_use]
            if not idle:
                return None
            given_up = [self._models.pop(idle[0])]
        bundle = given_up[0].bundle
        self._close(given_up)
        return bundle

    def close(self) -> None:
        """Have all models answer what they let in, and give them up."""
        with self._loading, self._access:
            self._closed = True
            models = list(self._models.values())
            self._models.clear()
        self._close(models)
        for later in self._closing:
            later.join()

    def _settled(self, name: str) -> int | None:
        """The version that answered where none was asked for, if it is still there."""
        with self._access:
            version = self._current.get(name)
        return version if version in self.repository.versions(name) else None

    def _make_current(self, name: str, version: int) -> None:
        try:
            self.repository.make_current(name, version)
        except OSError as error:
            if self.repository.current(name) == version:
                return  # a repository that is only read says so already
            raise OutputError(
                f"{name} version {version} is not promoted, for the repository cannot be written: "
                f"{error.strerror}; with until_restart=true it answers until the next start"
            ) from error

    def _removable(self) -> list[_Key]:
        """All but the default model, and of the others the one used last; longest unused first."""
        default = (self.default_name, self._current.get(self.default_name, 0))
        return [key for key in self._models if key != default][:-1]

    def _take_surplus(self) -> list[ServedModel]:
        """Remove the longest unused models beyond the capacity, never the default one."""
        surplus = self._removable()[: max(0, len(self._models) - self._capacity)]
        return [self._models.pop(key) for key in surplus]

    def _close(self, models: list[ServedModel]) -> None:
        """Close models; none is left in the list, to be freed.

        One that a request uses is closed later, by a thread of its own: the request may take
        minutes, and whoever asked for another model is not to wait for them.
        """
        while models:
            model = [models.pop()]
            if model[0].in_use:
                later = Thread(target=self._free, args=(model,), name="close a model")
                with self._access:
                    self._closing = [each for each in self._closing if each.is_alive()]
                    self._closing.append(later)
                later.start()
            else:
                self._free(model)

    def _free(self, model: list[ServedModel]) -> None:
        """Close the one model of a list, which holds the last reference to it."""
        model.pop().close()
        self._trim()


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
