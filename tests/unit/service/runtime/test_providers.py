import logging

import pytest

from models.errors import ProviderUnavailable
from service.runtime.providers import Device, Provider, choose, every, missing_for


def everything(_: Provider) -> None:
    return None


def no_driver(provider: Provider) -> str | None:
    return None if provider is Provider.CPU else "no NVIDIA driver"


def names(device: Device) -> list[str]:
    return [name for name, _ in device.options]


@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_is_missing(provider: Provider) -> None:
    with pytest.raises(ProviderUnavailable, match=f"{provider} is not available: no NVIDIA driver"):
        choose(provider, no_driver)


def test_auto_takes_the_gpu_that_is_there() -> None:
    device = choose(Provider.AUTO, everything)
    assert device.provider is Provider.CUDA
    assert names(device) == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_auto_takes_the_cpu_otherwise_and_logs_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    device = choose(Provider.AUTO, no_driver)
    assert device.provider is Provider.CPU
    assert "chose cpu (no CUDA: no NVIDIA driver)" in caplog.text


def test_the_cpu_is_chosen_without_looking_for_a_gpu() -> None:
    assert names(choose(Provider.CPU)) == ["CPUExecutionProvider"]


def test_cuda_never_rounds_to_tensorfloat_32() -> None:
    for provider in (Provider.CUDA, Provider.TENSORRT):
        options = dict(choose(provider, everything).options)
        assert options["CUDAExecutionProvider"]["use_tf32"] == 0


def test_what_is_said_to_be_missing_here_is_in_words() -> None:
    assert missing_for(Provider.CPU) is None
    missing = missing_for(Provider.CUDA)
    assert missing is None or any(
        word in missing for word in ("onnxruntime", "driver", "seewhy[gpu]")
    )


@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_each_gpu_is_a_device_of_its_own(provider: Provider) -> None:
    chosen = choose(provider, everything)
    devices = every(chosen, lambda: 3)
    assert [device.number for device in devices] == [0, 1, 2]
    for device in devices:
        assert names(device) == names(chosen)
        *on_gpu, (_, on_cpu) = device.options
        assert all(options["device_id"] == device.number for _, options in on_gpu)
        assert "device_id" not in on_cpu
        assert dict(device.options)["CUDAExecutionProvider"]["use_tf32"] == 0


def test_a_cpu_is_one_device() -> None:
    cpu = choose(Provider.CPU)
    assert every(cpu, lambda: 3) == [cpu]
