"""What a bundle says of the images that it was made from."""

from pathlib import Path

import numpy as np

from training.reference import save


def test_it_holds_embeddings_and_how_answers_are_distributed(tmp_path: Path) -> None:
    answers = np.array([[0.52, 0.48, 0.0], [0.0, 0.01, 0.99], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]])
    embedding = np.linspace(0, 1, 10, dtype=np.float32).reshape(5, 2)

    save(tmp_path / "reference.npz", embedding, np.arange(5) % 3, list("abcde"), answers)

    found = np.load(tmp_path / "reference.npz")
    assert found["embedding"].dtype == np.float16
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-3)
    assert found["labels"].tolist() == [0, 1, 2, 0, 1]
    assert found["ids"].tolist() == list("abcde")
    assert found["predicted"].tolist() == [1, 0, 3]
    assert found["confidence"].sum() == 4
    assert {n: int(c) for n, c in enumerate(found["confidence"]) if c} == {10: 1, 16: 1, 19: 2}
