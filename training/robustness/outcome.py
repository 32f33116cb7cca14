"""What a study says: accuracy against eps, the worst case, and whether to believe it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.manifest import Squeezing
from service.core.robustness.evaluation import METRIC
from training.robustness.study import ATTACKS, EPS, MANY_STEPS, TRANSFER, distances

_CHANCE = 0.02
_LITTLE = 0.05


@dataclass(frozen=True)
class Sanity:
    """One of Carlini's checks: what should hold, whether it does, and the figures."""

    claim: str
    holds: bool
    figures: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of a finished study, by the names of its steps."""

    results: Mapping[str, Any]

    @property
    def clean(self) -> float:
        """The share of images that are right as they are."""
        return float(self.results["mishaps"]["robustness_clean"])

    @property
    def attacks(self) -> dict[str, list[float]]:
        """The share that stands at each of `EPS`, by attack; `worst` is under all of them.

        What fools an image within a ball does so within a larger one too: an image stands only
        where it stands at every smaller eps.
        """
        rows = self._rows
        held = {**rows, "worst": np.stack(list(rows.values())).all(axis=0)}
        return {
            name: np.logical_and.accumulate(each).mean(axis=1).tolist()
            for name, each in held.items()
        }

    @property
    def images(self) -> int:
        """How many images there were."""
        return int(self.results["mishaps"]["robustness_images"])

    @property
    def severities(self) -> list[int]:
        """Of the corruptions."""
        return list(next(iter(self.corruptions.values())))

    @property
    def corruptions(self) -> dict[str, dict[int, float]]:
        """The share that is right, by corruption and severity."""
        found: dict[str, dict[int, float]] = {}
        for name, share in self.results["mishaps"].items():
            kind, _, rest = name.partition("_")
            if kind == "corruption":
                corruption, _, severity = rest.rpartition("_")
                found.setdefault(corruption, {})[int(severity)] = share
        return found

    @property
    def corruption_errors(self) -> dict[str, float]:
        """The share that is wrong, by corruption, on average over its severities."""
        return {
            name: 1 - float(np.mean(list(shares.values())))
            for name, shares in self.corruptions.items()
        }

    @property
    def worst_turned(self) -> float:
        """The share that is right at every angle."""
        return float(self.results["mishaps"]["rotation_worst"])

    @property
    def worst_shifted(self) -> float:
        """The share that is right at every shift."""
        return float(self.results["mishaps"]["shift_worst"])

    @property
    def certified(self) -> dict[float, float]:
        """The share that is certified to be right, by L2 radius, of the model under noise."""
        return {float(radius): share for radius, share in self.results["smoothing"].items()}

    @property
    def margins(self) -> dict[str, dict[str, float]]:
        """Quantiles of the smallest perturbation, by norm."""
        return {
            norm: {
                f"{share:.0%}": float(np.quantile(found, share, method="higher"))
                for share in (0.1, 0.5, 0.9)
            }
            for norm in ("linf", "l2")
            for found in [distances(self.results[f"minimal {norm}"])]
        }

    @property
    def metrics(self) -> dict[str, float]:
        """Robust accuracies by name, for the manifest."""
        return {
            METRIC + text.format(eps): share
            for name, text in ATTACKS.items()
            for eps, share in zip(EPS, self.attacks[name], strict=True)
        }

    @property
    def squeezing(self) -> Squeezing | None:
        """How well squeezing finds attacked images; None where there were too few."""
        found = self.results["squeezing"]
        return None if found is None else Squeezing.model_validate(found)

    @property
    def sanity(self) -> list[Sanity]:
        """Signs of hidden gradients (Carlini et al. 2019, section 3 and appendix).

        Of each eps by itself: what stands at every smaller one could not rise.
        """
        shares = {name: rows.mean(axis=1).tolist() for name, rows in self._rows.items()}
        rises = max(float(np.diff(found).max()) for found in shares.values())
        iterated = float((np.array(shares["pgd"]) - shares["fgsm"]).max())
        strongest = np.minimum(shares["pgd"], shares["apgd"])
        black = float((strongest - shares["square"]).max())
        twenty = shares["pgd"][EPS.index("1/255")]
        gained = twenty - float(np.mean(self.results[MANY_STEPS]))
        last = shares["pgd"][-1]
        return [
            Sanity("accuracy falls as eps grows", rises <= _CHANCE, f"largest rise {rises:.1%}"),
            Sanity(f"pgd leaves nothing at {EPS[-1]}", last == 0, f"{last:.1%} are left"),
            Sanity(
                "iterated attacks beat a single step",
                iterated <= _CHANCE, f"pgd leaves at most {iterated:+.1%} more than fgsm",
            ),
            Sanity(
                "attacks with gradients beat one without",
                black <= _CHANCE, f"they leave at most {black:+.1%} more than square",
            ),
            Sanity(
                "100 steps do not help much more than 20",
                gained <= _LITTLE, f"they take {gained:.1%} more",
            ),
        ]  # fmt: skip

    @property
    def _rows(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Which images stand: [E, N], by attack."""
        keys = {name: [text.format(eps) for eps in EPS] for name, text in ATTACKS.items()}
        keys["transfer"] = [TRANSFER.format(eps) for eps in EPS]
        return {
            name: np.array([self.results[key] for key in found], dtype=np.bool_)
            for name, found in keys.items()
            if found[0] in self.results
        }
