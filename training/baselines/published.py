"""Models of a repository that stand beside the baselines: those that learned from the photos."""

from models.bundle import Bundle
from models.errors import TrainingError
from models.repository import Repository
from training.data.preparation import Prepared


def published(repository: Repository, data: Prepared, *, seed: int) -> list[Bundle]:
    """The current version of each model that learned from a data set, split by a seed.

    Another seed may hold other images out, so a model could have learned what judges it.

    Raises:
        BundleNotFound: there is no repository.
        BundleInvalid: a bundle cannot be read.
    """
    bundles = [repository.open(name) for name in repository.names()]
    return [bundle for bundle in bundles if not _objection(bundle, data, seed)]


def named(repository: Repository, name: str, data: Prepared, *, seed: int) -> Bundle:
    """The current version of a model, if it learned from the data set, split by the seed.

    Raises:
        BundleNotFound: there is none of this name.
        BundleInvalid: it cannot be read.
        TrainingError: it learned from other images, or they were split by another seed.
    """
    bundle = repository.open(name)
    if objection := _objection(bundle, data, seed):
        raise TrainingError(f"{bundle} {objection}")
    return bundle


def _objection(bundle: Bundle, data: Prepared, seed: int) -> str | None:
    provenance = bundle.manifest.provenance
    if provenance.data_fingerprint != data.fingerprint:
        return "did not learn from these photos"
    if provenance.seed != seed:
        return f"may have learned from photos that are held out here: --seed {provenance.seed}"
    return None
