"""Where weights come from, and what is said when they cannot be had."""

import logging
from pathlib import Path

import foolbox
import numpy as np
import pytest
import safetensors.torch
import torch

from models.errors import WeightsError
from models.preprocess import preprocess
from training import features, weights
from training.backbones import Backbone, backbone
from training.instrument import Instrumented

CLASSES = 5


@pytest.fixture
def lenet() -> Backbone:
    return backbone("lenet5")


@pytest.fixture
def state(lenet: Backbone) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return dict(lenet.build(CLASSES).state_dict())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_file_is_loaded_into_the_network(
    tmp_path: Path, lenet: Backbone, state: dict[str, torch.Tensor], suffix: str
) -> None:
    path = tmp_path / f"mine{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    found = weights.load(lenet, str(path))
    assert (found.source, found.licence) == (path.name, "not stated")
    assert weights.classes(lenet, found) == CLASSES
    module = lenet.build(CLASSES)
    weights.apply(module, found)
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_a_checkpoint_of_parallel_training_is_loaded(
    tmp_path: Path, lenet: Backbone, state: dict[str, torch.Tensor], wrapper: str
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({wrapper: {f"module.{name}": tensor for name, tensor in state.items()}}, path)

    found = weights.load(lenet, str(path))

    assert found.state is not None
    assert set(found.state) == set(state)
    weights.apply(lenet.build(CLASSES), found)


def test_heads_that_only_training_uses_may_be_left_over(
    tmp_path: Path, lenet: Backbone, state: dict[str, torch.Tensor]
) -> None:
    path = tmp_path / "mine.pth"
    torch.save({**state, "aux1.fc.weight": torch.zeros(2, 2)}, path)
    module = lenet.build(CLASSES)
    weights.apply(module, weights.load(lenet, str(path)))
    torch.testing.assert_close(dict(module.state_dict()), state, rtol=0, atol=0)


def test_a_network_whose_format_has_a_version_loads_a_plain_mapping(tmp_path: Path) -> None:
    mnasnet = backbone("mnasnet1_0")
    path = tmp_path / "mine.safetensors"
    saved = mnasnet.build(CLASSES).state_dict()
    safetensors.torch.save_file(dict(saved), path)
    module = mnasnet.build(CLASSES)

    weights.apply(module, weights.load(mnasnet, str(path)))

    torch.testing.assert_close(module.state_dict(), saved, rtol=0, atol=0)


def test_none_leaves_the_network_as_it_is(lenet: Backbone) -> None:
    found = weights.load(lenet, "none")
    module = lenet.build(CLASSES)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    weights.apply(module, found)
    assert all(torch.equal(tensor, before[n]) for n, tensor in module.state_dict().items())
    assert weights.classes(lenet, found) is None


def refused(chosen: Backbone, choice: str, *parts: str) -> None:
    with pytest.raises(WeightsError) as caught:
        weights.load(chosen, choice)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_file_that_is_not_there_is_named_with_the_alternatives(
    tmp_path: Path, lenet: Backbone
) -> None:
    path = str(tmp_path / "gone.pth")
    refused(lenet, path, path, "default", "package", "none")


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors", "empty.pth", "empty.safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, lenet: Backbone, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"" if name.startswith("empty") else b"These are no weights at all.\n" * 9)
    refused(lenet, str(path), name, "not a state dict")


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"optimizer": {"lr": torch.ones(2)}}])
def test_a_file_that_maps_no_names_to_tensors_is_refused(
    tmp_path: Path, lenet: Backbone, content: object
) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    refused(lenet, str(path), "checkpoint.pth", "not a state dict")


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path, lenet: Backbone) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "witness"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (witness,)  # type: ignore[return-value]  # as pickle calls it

    torch.save({"weight": Evil()}, path)
    refused(lenet, str(path), "not a state dict")
    assert not witness.exists()


@pytest.mark.parametrize("change", ["missing", "left over", "of another shape"])
def test_a_state_dict_that_does_not_fit_is_refused(
    tmp_path: Path, lenet: Backbone, state: dict[str, torch.Tensor], change: str
) -> None:
    if change == "missing":
        del state["features.0.bias"]
    elif change == "left over":
        state["extra.bias"] = torch.zeros(3)
    else:
        state["features.0.bias"] = torch.zeros(7)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError, match="does not fit") as caught:
        weights.apply(lenet.build(CLASSES), weights.load(lenet, str(path)))
    message = str(caught.value)
    assert "\n" not in message
    assert ("extra.bias" if change == "left over" else "features.0.bias") in message


def test_our_own_networks_have_no_default_weights(lenet: Backbone) -> None:
    refused(lenet, "default", "lenet5", "FILE")


def test_no_package_ships_weights_of_most(lenet: Backbone) -> None:
    refused(lenet, "package", "lenet5", "efficientnet_lite2; use --weights default", "FILE", "none")


@pytest.mark.parametrize("name", sorted(weights.PACKAGED))
def test_weights_of_a_package_recognise_photos(name: str) -> None:
    chosen = backbone(name)
    found = weights.load(chosen, "package")
    network = chosen.build(weights.IMAGENET_CLASSES)
    weights.apply(network, found)
    module = Instrumented(network, chosen, chosen.preprocessing).eval()
    photos = sorted((Path(foolbox.__file__).parent / "data").glob("imagenet_*.jpg"))
    images = [preprocess(photo.read_bytes(), chosen.preprocessing).pixels for photo in photos]

    logits = features.logits(module, np.stack(images))

    expected = [int(photo.stem.split("_")[2]) for photo in photos]
    assert (logits.argmax(axis=1) == expected).sum() >= 17  # of 20
    assert found.licence == "Apache-2.0"


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nobody listens
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    # Else its client tries again for most of a minute.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("name", "alternatives"),
    [
        ("squeezenet1_1", "use --weights FILE or --weights none"),
        ("efficientnet_lite0", "use --weights FILE, --weights package or --weights none"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_a_hub_out_of_reach_names_the_alternatives(
    name: str, alternatives: str, capfd: pytest.CaptureFixture[str]
) -> None:
    refused(backbone(name), "default", "cannot be reached", alternatives)

    assert capfd.readouterr() == ("", "")  # one error says it all


def test_a_hub_is_asked_again_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def create(*_: object, **__: object) -> None:
        logging.getLogger("huggingface_hub.utils._http").warning("retrying in 1 s")
        raise OSError("no route to host")

    monkeypatch.setattr("timm.create_model", create)

    refused(backbone("efficientnet_lite0"), "default", "no route to host")

    assert not caplog.records
