"""What can be held of docker-compose.yml and the Dockerfile where no engine runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?[\w.-]*")

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines if line)]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, with those of the stages that it builds upon before."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for instruction, rest in instructions():
        if instruction == "FROM":
            source, name = re.fullmatch(r"(\S+) AS (\S+)", rest).groups()  # type: ignore[union-attr]
            found[name] = list(found.get(source, [("FROM", source)]))
        else:
            found[name].append((instruction, rest))
    return found


IMAGES = {name: steps for name, steps in stages().items() if name != "base"}
every_image = pytest.mark.parametrize("steps", IMAGES.values(), ids=IMAGES.keys())


def test_the_compose_file_follows_its_schema() -> None:
    checker = [sys.executable, "-m", "check_jsonschema"]
    subprocess.run(
        [*checker, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"],
        check=True,
        timeout=60,
    )


@every_service
def test_what_a_service_mounts_is_there_and_read_only(service: dict[str, Any]) -> None:
    for mount in service.get("volumes", []):
        source, _, *mode = mount.split(":")
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


@every_service
def test_a_cache_outlives_the_container_that_may_write_it(service: dict[str, Any]) -> None:
    if "build" in service:
        _, folder = service["volumes"][0].split(":")
        steps = " ".join(rest for _, rest in IMAGES[service["build"]["target"]])
        assert f"install --directory --owner seewhy {folder}" in steps


@every_service
def test_a_service_has_few_rights(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@every_service
def test_an_image_is_pinned_by_its_tag(service: dict[str, Any]) -> None:
    assert PINNED.fullmatch(service["image"])


@every_service
def test_a_service_is_built_here_or_runs_as_somebody_and_is_checked(
    service: dict[str, Any],
) -> None:
    if "build" in service:
        assert service["build"]["target"] in IMAGES
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    else:
        assert not service["user"].startswith(("0", "root"))
        assert "healthcheck" in service


def test_a_plain_up_starts_the_service_prometheus_and_grafana() -> None:
    plain = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert plain == {"seewhy", "prometheus", "grafana"}


@every_image
def test_an_image_is_built_upon_a_pinned_one_and_runs_as_somebody(
    steps: list[tuple[str, str]],
) -> None:
    assert PINNED.fullmatch(steps[0][1])
    users = [rest for name, rest in steps if name == "USER"]
    assert users[-1] == "seewhy"
    assert "useradd" in " ".join(rest for name, rest in steps if name == "RUN")
    commands = [rest for name, rest in steps if name in {"CMD", "ENTRYPOINT"}]
    assert commands
    assert all(command.startswith("[") for command in commands)


@pytest.mark.parametrize("name", ["serving", "serving-gpu"])
def test_what_serves_is_checked_and_has_no_torch(name: str) -> None:
    steps = dict.fromkeys(rest for _, rest in IMAGES[name])
    assert any(instruction == "HEALTHCHECK" for instruction, _ in IMAGES[name])
    locks = re.findall(r"--requirement (\S+)", " ".join(steps))
    assert locks
    for lock in locks:
        assert not re.search("^torch==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)


@every_image
def test_everything_is_installed_from_a_lock_with_hashes(steps: list[tuple[str, str]]) -> None:
    for name, rest in steps:
        if name == "RUN":
            for command in re.split(r"\s*&&\s*", rest):
                if command.startswith("pip install"):
                    assert "--require-hashes" in command or "--no-deps" in command


@every_image
def test_what_is_copied_is_there_and_sent_to_the_builder(steps: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for name, rest in steps:
        assert name != "ADD"
        if name == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists()
                assert source.split("/")[0] in sent
