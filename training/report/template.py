"""The pages' templates."""

import jinja2


def template(name: str) -> jinja2.Template:
    """A template of this package; a name that it was not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["zip"] = zip
    return environment.get_template(name)
