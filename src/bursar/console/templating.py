"""Jinja2 with what every page needs. Autoescape is always on: tags, models and errors are written by strangers."""

from typing import Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from bursar import __version__
from bursar.console import figures
from bursar.console.assets import Assets
from bursar.console.charts import bar_title

_SHORT_ID: Final = 8


def environment(assets: Assets) -> Environment:
    """The templates of the package."""
    made = Environment(
        loader=PackageLoader("bursar.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"asset": assets.path, "version": __version__}
    made.filters |= {
        "dollars": figures.dollars,
        "exact": figures.exact,
        "known_cost": figures.known_cost,
        "count": figures.count,
        "shortened": figures.shortened,
        "duration": figures.duration,
        "unit_price": figures.unit_price,
        "bar_title": bar_title,
        "short_id": short_id,
        "words": words,
        "clock": clock,
        "pretty_json": pretty_json,
    }
    # Compiling a template takes tens of milliseconds, which no call in flight should wait for.
    for name in made.list_templates():
        made.get_template(name)
    return made


def short_id(call_id: str) -> str:
    """An id's random end, which tells calls of the same second apart."""
    return call_id[-_SHORT_ID:]


def words(name: str) -> str:
    """A field's or meter's name in words."""
    return name.replace("_", " ")


def clock(instant: str) -> str:
    """An ISO instant as date and time to the second."""
    return instant.replace("T", " ").partition(".")[0]


def pretty_json(text: str) -> str:
    """JSON text indented, every figure spelt as the provider spelt it; text that is no JSON as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.MsgspecError:
        return text
