"""Which price list a person means: a catalog provider's, or that of a configured provider."""

from pathlib import Path

import click

from bursar.catalog.lists import price_list_of
from bursar.catalog.snapshot import Catalog
from bursar.cli.services import Services


def catalog_provider(services: Services, config_path: Path | None, catalog: Catalog, name: str) -> str:
    """The catalog provider for a name; raises BadParameter with the names there are."""
    config, _ = services.config(config_path)
    for provider in config.providers:
        if provider.name == name:
            name = price_list_of(provider)
    if name not in catalog.lists:
        raise click.BadParameter(f"there is no price list for {name!r}; there is one for {', '.join(catalog.lists)}")
    return name
