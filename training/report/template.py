"""The pages' templates."""

import jinja2

from training.report import pictures


def template(name: str) -> jinja2.Template:
    """A template of this package; a name that it was not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "zip": zip,
        "short": short,
        "thumbnail": pictures.thumbnail,
        "lossless": pictures.lossless,
    }
    return environment.get_template(name)


def short(number: int) -> str:
    """A count to three digits or four, as `138.4M`."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.1f}{letter}"
    return str(number)
