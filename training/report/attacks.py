"""A study of a model's robustness as an HTML page."""

from service.core.robustness.norms import Norm
from training.report import pictures
from training.report.template import template
from training.robustness.corruption_error import beside_alexnet
from training.robustness.outcome import Outcome
from training.robustness.study import ATTACKS, EPS, distances


def render(outcome: Outcome, *, title: str, sigma: float, imagenet: bool) -> str:
    """The page; it loads nothing, and the same results give the same bytes.

    Args:
        outcome: of a finished study.
        title: of the page, the bundle's name and version.
        sigma: of the noise in certificates.
        imagenet: whether the classes are ImageNet's, so that AlexNet's errors can stand beside.
    """
    margins = [
        pictures.smallest_perturbations(distances(outcome.results[f"minimal {norm}"]), norm)
        for norm in Norm
    ]
    alexnet = beside_alexnet(outcome.corruption_errors) if imagenet else None
    return template("attacks.html").render(
        title=title,
        outcome=outcome,
        sigma=sigma,
        attacks=ATTACKS,
        eps=EPS,
        alexnet=alexnet,
        curves=pictures.accuracy_against_eps(outcome.attacks, EPS),
        margins=margins,
        certified=pictures.certified_accuracy(outcome.certified),
        squeezing=outcome.squeezing,
    )
