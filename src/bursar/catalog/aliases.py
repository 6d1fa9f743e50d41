"""The configuration's `[[aliases]]`: other names for models, as entries of the alias table."""

import difflib

from bursar.catalog.lists import price_list_of
from bursar.catalog.sheet import EVERY_MODEL, ModelNames, Sheet
from bursar.config import Config
from bursar.errors import ConfigError


def configured_aliases(config: Config, sheet: Sheet) -> tuple[ModelNames, ...]:
    """The aliases as names of the models they stand for.

    Raises ConfigError when the provider or the model is not on the sheet: an alias to nothing would leave calls
    unpriced that its author believes are priced.
    """
    lists = {one.name: price_list_of(one) for one in config.providers}
    known = {(card.provider, card.model) for card in sheet.cards if card.model != EVERY_MODEL}
    known |= {(names.provider, names.model) for names in sheet.models}
    named = []
    for table in config.aliases:
        provider = lists.get(table.provider, table.provider)
        for alias, model in table.models.items():
            if (provider, model) not in known:
                near = difflib.get_close_matches(model, [name for owner, name in known if owner == provider], n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"see `bursar prices list --provider {provider}`"
                raise ConfigError(f"[[aliases]] {table.provider}: '{alias}' stands for '{model}', not listed; {hint}")
            named.append(ModelNames(provider=provider, model=model, aliases=(alias,)))
    return tuple(named)
