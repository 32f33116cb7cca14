"""Every command, run as a user runs it: in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seewhy import Client

Done = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SEEWHY_")}
    return ours | {"COLUMNS": "400"}  # tables as wide as they like


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "seewhy", *map(str, arguments)]


def seewhy(*arguments: str | Path) -> Done:
    return subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def photo(tmp_path: Path, red_left: bytes) -> Path:
    file = tmp_path / "red_left.png"
    file.write_bytes(red_left)
    return file


@pytest.fixture
def no_photo(tmp_path: Path) -> Path:
    file = tmp_path / "notes.txt"
    file.write_text("not a photo")
    return file


def test_it_tells_its_version() -> None:
    done = seewhy("--version")

    assert (done.returncode, done.stdout.strip()) == (0, version("seewhy"))


def test_help_names_every_command_and_the_exit_codes() -> None:
    done = seewhy("--help")

    assert done.returncode == 0
    for name in (
        "serve",
        "classify",
        "score",
        "explain",
        "similar",
        "embed",
        "export",
        "train",
        "baselines",
        "compare",
        "models",
    ):
        assert re.search(rf"^  {name} +[A-Z]", done.stdout, re.MULTILINE)
    assert "0 done, 1 failed, 2 wrong usage, 3 done with errors" in done.stdout
    assert "Example: seewhy " in done.stdout
    assert "SEEWHY_REPOSITORY" in done.stdout


def test_classify_prints_a_table(photo: Path, tiny_repository: Path) -> None:
    photo = photo.rename(photo.with_name("[red] left.png"))
    done = seewhy("classify", photo, "--top-k", "2", "--repository", tiny_repository)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"red +0\.\d{3}", done.stdout)
    assert "[red] left.png" in done.stdout


def test_classify_says_which_classes_cannot_be_ruled_out_and_why_none(
    photo: Path, tmp_path: Path, calibrated_repository: Path
) -> None:
    unsure = tmp_path / "black.png"
    Image.new("RGB", (32, 32)).save(unsure)
    options = ("--coverage", "0.8", "--sets", "lac", "--repository", calibrated_repository)
    done = seewhy("classify", photo, unsure, *options)

    assert (done.returncode, done.stderr) == (0, "")
    sets = re.findall(r"the 80% set: .*?(?=  )", done.stdout)
    assert sets == ["the 80% set: red", "the 80% set: empty, surer answers suffice"]


def test_classify_prints_json_lines_and_goes_on_past_a_bad_file(
    photo: Path, no_photo: Path, tiny_repository: Path
) -> None:
    done = seewhy("classify", no_photo, photo, "--json", "--repository", tiny_repository)

    failed, classified = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 3
    assert failed["file"] == str(no_photo)
    assert "error" in failed
    assert classified["file"] == str(photo)
    assert classified["predictions"][0]["label"] == "red"


def test_classify_fails_where_every_file_does(tmp_path: Path, tiny_repository: Path) -> None:
    done = seewhy("classify", tmp_path / "nothing.jpg", "--repository", tiny_repository)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"seewhy: {tmp_path / 'nothing.jpg'}: No such file or directory\n"


def test_explain_draws_over_the_photo(photo: Path, tmp_path: Path, tiny_repository: Path) -> None:
    heat = tmp_path / "heat.png"

    done = seewhy("explain", photo, "-o", heat, "--target", "red", "--repository", tiny_repository)

    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(heat) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (80, 40))


def test_explain_hands_the_methods_parameters_on(
    photo: Path, tmp_path: Path, tiny_repository: Path
) -> None:
    def drawn(name: str, *options: str) -> bytes:
        heat = tmp_path / name
        given = ["--repository", str(tiny_repository), "--method", "occlusion", *options]
        assert seewhy("explain", photo, "-o", heat, *given).returncode == 0
        return heat.read_bytes()

    plain, fine = drawn("plain.png"), drawn("fine.png", "-p", "window=4", "-p", "stride=4")
    assert plain != fine


def test_explain_says_in_one_line_which_class_is_unknown(
    photo: Path, tmp_path: Path, tiny_repository: Path
) -> None:
    heat = tmp_path / "heat.png"

    done = seewhy(
        "explain", photo, "-o", heat, "--target", "mauve", "--repository", tiny_repository
    )

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "mauve" in done.stderr
    assert not heat.exists()


def test_similar_lists_the_nearest_training_image_first(
    photo: Path, calibrated_repository: Path
) -> None:
    done = seewhy("similar", photo, "--top-k", "2", "--repository", calibrated_repository)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(
        rf"{photo} +red +red\.png +0\.0\d\d *\n +green +green\.png +1\.4\d\d", done.stdout
    )


def test_similar_prints_json_lines_and_goes_on_past_a_bad_file(
    photo: Path, no_photo: Path, calibrated_repository: Path
) -> None:
    done = seewhy("similar", no_photo, photo, "--json", "--repository", calibrated_repository)

    failed, compared = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 3
    assert failed.keys() == {"file", "error"}
    assert compared["file"] == str(photo)
    assert [each["id"] for each in compared["neighbours"]] == ["red.png", "green.png"]


def test_similar_says_of_a_model_without_training_images_that_it_has_none(
    photo: Path, tiny_repository: Path
) -> None:
    done = seewhy("similar", photo, "--repository", tiny_repository)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"seewhy: {photo}: this model has no index of the images that it has learned from\n"
    )


def test_embed_writes_a_row_for_each_photo_in_order(
    photo: Path, tmp_path: Path, tiny_repository: Path, tiny_model: Any
) -> None:
    green = tmp_path / "green.png"
    Image.new("RGB", (32, 32), (0, 255, 0)).save(green)
    output = tmp_path / "photos.npy"

    done = seewhy("embed", photo, green, "-o", output, "--repository", tiny_repository)

    crops = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    crops[0, :, :16, 0] = crops[1, :, :, 1] = 255
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = np.load(output)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, tiny_model.embedding(crops), atol=0.02)


def test_embed_leaves_the_row_of_a_bad_file_empty(
    photo: Path, no_photo: Path, tmp_path: Path, tiny_repository: Path
) -> None:
    output = tmp_path / "photos.npy"

    done = seewhy("embed", no_photo, photo, "-o", output, "--repository", tiny_repository)

    assert done.returncode == 3
    assert done.stderr.startswith(f"seewhy: {no_photo}: ")
    assert np.isnan(np.load(output)).all(axis=1).tolist() == [True, False]


def test_embed_writes_nothing_where_every_file_is_bad(
    no_photo: Path, tmp_path: Path, tiny_repository: Path
) -> None:
    output = tmp_path / "photos.npy"

    done = seewhy("embed", no_photo, "-o", output, "--repository", tiny_repository)

    assert done.returncode == 1
    assert not output.exists()


def test_embed_refuses_a_name_that_is_no_array_s(photo: Path, tmp_path: Path) -> None:
    done = seewhy("embed", photo, "-o", tmp_path / "photos.csv")

    assert done.returncode == 2
    assert "does not end in .npy" in done.stderr


def test_models_are_listed_shown_published_and_rolled_back(
    tmp_path: Path, tiny_repository: Path
) -> None:
    repository = tmp_path / "repository"
    bundle = tiny_repository / "tiny" / "1"

    published = seewhy("models", "publish", bundle, "--repository", repository)
    assert "tiny version 1" in published.stdout

    again = seewhy("models", "publish", bundle, "--repository", repository)
    assert "tiny version 2" in again.stdout

    rolled_back = seewhy("models", "rollback", "tiny", "--repository", repository)
    assert "tiny version 1 is current" in rolled_back.stdout
    for changed in (published, rolled_back):
        assert "a running service goes on with what it has loaded" in changed.stdout

    listed = seewhy("models", "list", "--repository", repository).stdout
    assert re.search(r"tiny +1 +yes +4 +tiny", listed)
    assert re.search(r"tiny +2 +4 +tiny", listed)
    as_json = seewhy("models", "list", "--json", "--repository", repository).stdout
    assert [json.loads(line) for line in as_json.splitlines()] == [
        {"model": "tiny", "version": 1, "current": True, "classes": 4, "backbone": "tiny"},
        {"model": "tiny", "version": 2, "current": False, "classes": 4, "backbone": "tiny"},
    ]

    shown = seewhy("models", "show", "tiny", "--json", "--repository", repository)
    assert json.loads(shown.stdout)["version"] == 1
    assert "Apache-2.0" in seewhy("models", "show", "tiny", "--repository", repository).stdout


def test_export_makes_a_bundle_that_classifies(photo: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(f"class {index}" for index in range(1000)))
    repository = tmp_path / "repository"

    exported = seewhy(
        *("export", "--backbone", "linear", "--weights", "none", "--name", "mine"),
        *("--labels", labels, "--repository", repository),
    )
    assert (exported.returncode, exported.stderr) == (0, "")
    assert "mine version 1" in exported.stdout

    classified = seewhy("classify", photo, "--json", "--repository", repository)
    assert json.loads(classified.stdout)["predictions"][0]["label"].startswith("class ")


def test_serve_answers_until_it_is_interrupted(red_left: bytes, tiny_repository: Path) -> None:
    server = subprocess.Popen(
        command("serve", "--port", "0", "--repository", tiny_repository),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        lines = iter(server.stderr.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://[\d.]+:\d+", line)))
        with Client(url) as client:
            assert client.classify(red_left).predictions[0].label == "red"
    finally:
        server.send_signal(signal.SIGINT)
        _, rest = server.communicate(timeout=30)
    assert server.returncode == 0
    assert "Traceback" not in rest


def test_serve_refuses_in_one_line_a_repository_that_is_not_there(tmp_path: Path) -> None:
    done = seewhy("serve", "--port", "0", "--repository", tmp_path / "nowhere")

    errors = [line for line in done.stderr.splitlines() if line.startswith("seewhy: ")]
    assert done.returncode == 1
    assert len(errors) == 1
    assert "nowhere" in errors[0]
    assert "Traceback" not in done.stderr


def test_serve_says_in_one_line_that_its_port_is_taken(tiny_repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = seewhy("serve", "--port", str(port), "--repository", tiny_repository)

    assert done.returncode == 1
    assert done.stderr == (
        f"seewhy: cannot listen on 127.0.0.1:{port}: Address already in use "
        "(SEEWHY_HOST and SEEWHY_PORT set the address)\n"
    )
