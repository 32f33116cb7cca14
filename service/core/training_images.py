"""What a bundle keeps of the images that it has learned from."""

from models import reference as references
from models import thumbnails as thumbnail_files
from models.bundle import Bundle
from models.errors import BundleInvalid
from models.manifest import Graph
from models.reference import REFERENCE, Reference
from models.thumbnails import THUMBNAILS, Thumbnails
from service.core import trust
from service.core.trust import Known


def reference_of(bundle: Bundle) -> Reference | None:
    """What the bundle's training images are known by, if it keeps that.

    Raises:
        BundleInvalid: the file is not what it should be, or does not fit the graph.
    """
    if REFERENCE not in bundle.manifest.sha256:
        return None
    found = references.read(bundle.directory / REFERENCE, len(bundle.manifest.labels))
    given = bundle.manifest.graphs[Graph.MODEL].shape("embedding")
    if given != ("N", found.embedding.shape[1]):
        raise BundleInvalid(
            f"{bundle}: {REFERENCE} holds embeddings of {found.embedding.shape[1]} numbers, "
            f"which fit none of {Graph.MODEL.filename}"
        )
    return found


def thumbnails_of(bundle: Bundle, reference: Reference | None) -> Thumbnails | None:
    """Small pictures of them, in the reference's order, if the bundle keeps any.

    Raises:
        BundleInvalid: the file is not what it should be.
    """
    if reference is None or THUMBNAILS not in bundle.manifest.sha256:
        return None
    return thumbnail_files.read(bundle.directory / THUMBNAILS, len(reference.ids))


def known_of(bundle: Bundle, reference: Reference | None) -> Known | None:
    """What images are compared with, where the bundle is calibrated for that.

    Raises:
        BundleInvalid: its calibration compares with a reference that it has not got.
    """
    calibration = bundle.manifest.calibration
    if calibration is None or calibration.ood is None:
        return None
    if reference is None:
        raise BundleInvalid(
            f"{bundle}: calibration.ood compares with {REFERENCE}, which is missing"
        )
    return trust.known(reference.embedding, calibration.ood)
