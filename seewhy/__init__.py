"""The front door: the command line and the HTTP clients."""

from models.errors import SeeWhyError, ServerError
from seewhy.calls import Picture
from seewhy.client import AsyncClient, Client
from service.api.schemas.classify import Classification, Classified
from service.api.schemas.explain import Explanation
from service.api.schemas.images import Failed

__all__ = [
    "AsyncClient",
    "Classification",
    "Classified",
    "Client",
    "Explanation",
    "Failed",
    "Picture",
    "SeeWhyError",
    "ServerError",
]
