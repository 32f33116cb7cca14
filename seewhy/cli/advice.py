"""What `seewhy train --explain-choice` prints."""

from seewhy.cli import tables
from training.advisor import CHOICES, FAR, MUCH, Advice


def explain(advice: Advice) -> None:
    """Print the table that the choice comes from, its own cell marked, and the evidence."""
    evidence = advice.evidence
    choices = tables.headed("", f"like what was learned (below {FAR:g})", "unlike it")
    for much, amount in ((False, f"fewer than {MUCH} images of a class"), (True, "more")):
        cells = [
            CHOICES[much, similar] + (" *" if (much, similar) == evidence.cell else "")
            for similar in (True, False)
        ]
        choices.add_row(amount, *cells)
    tables.show(choices)
    layers = tables.headed("blocks", "cross-validated")
    for layer in evidence.layers:
        layers.add_row(f"{layer.blocks} of {layer.of}", f"{layer.accuracy:.1%}")
    tables.show(layers)
    print(f"* {advice.reason}")
