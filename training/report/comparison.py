"""The comparison of several backbones as an HTML page."""

from collections.abc import Sequence

from training.report import pictures
from training.report.template import template
from training.selection import Measured


def render(found: Sequence[Measured], *, title: str) -> str:
    """The page; it loads nothing, and the same measurements give the same bytes.

    Args:
        found: at least one, on the same images.
        title: of the page.
    """
    return template("comparison.html").render(
        title=title,
        found=found,
        best=max((each.layers[-1] for each in found), key=lambda layer: layer.accuracy),
        trained=any(each.trained for each in found),
        operations=pictures.accuracy_against_operations(found),
        depths=pictures.accuracy_by_depth({str(each.candidate): each.layers for each in found}),
    )
