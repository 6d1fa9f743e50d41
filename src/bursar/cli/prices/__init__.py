"""`bursar prices`: the price catalog on the command line, one file a command.

Every command works on the catalog of the configuration: list prices, imported bundles and `[[prices]]`.
"""

import click

from bursar.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    places={
        "list": ("bursar.cli.prices.listing:list_prices", "Prices in force, one line a model."),
        "show": ("bursar.cli.prices.showing:show", "Every price of one model."),
        "check": ("bursar.cli.prices.checking:check", "Compare with a second price list."),
        "diff": ("bursar.cli.prices.differences:diff", "What changed between two catalogs."),
        "import": ("bursar.cli.prices.importing:import_prices", "Add a price bundle."),
        "reprice": ("bursar.cli.prices.repricing:reprice", "Apply today's catalog to past calls."),
    },
)
def prices() -> None:
    """Look at prices, check them against a second source, import bundles, and apply them to past calls."""
