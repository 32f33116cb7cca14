"""What tests of several comparisons share."""

from collections.abc import Callable

import pytest

from models.manifest import MethodName
from service.core.saliency import methods
from service.core.saliency.maps import Maps

MakeMaps = Callable[..., Maps]


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[MethodName, MakeMaps], None]:
    """Has a method make its maps in another way."""

    def replace(name: MethodName, maps: MakeMaps) -> None:
        graph = methods.METHODS[name].graph
        monkeypatch.setitem(methods.METHODS, name, methods.Method(maps, graph))

    return replace
