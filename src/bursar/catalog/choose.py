"""Which model a request is priced as: the one that served it, where the answer names one the price list knows."""

from bursar.catalog.conditions import Conditions
from bursar.catalog.names import is_dated_form
from bursar.catalog.snapshot import Catalog, Match, NoPrice


def model_to_price(catalog: Catalog, price_list: str, *, served: str | None, requested: str | None) -> str | NoPrice:
    """The name to look up.

    What was served decides, since providers route and fall back. A served name that the list does not know is followed
    only when it is the requested name with a date, which is how providers spell out an undated id; any other unknown
    name may be a different model, and has no price.
    """
    if served is None:
        return requested if requested is not None else NoPrice("neither the request nor the answer names a model")
    if requested is None or served == requested or catalog.canonical(price_list, served) is not None:
        return served
    if is_dated_form(served, requested):
        return requested
    if catalog.canonical(price_list, requested) is None:
        return served
    return NoPrice(
        f"{price_list} served {served}, which its price list does not know, for {requested}; "
        "add [[aliases]] if they are one model, or [[prices]] for it"
    )


def choose(
    catalog: Catalog,
    price_list: str,
    *,
    served: str | None,
    requested: str | None,
    conditions: Conditions,
    at_us: int,
    credential: str | None = None,
) -> Match | NoPrice:
    """The price of an answered request."""
    model = model_to_price(catalog, price_list, served=served, requested=requested)
    if isinstance(model, NoPrice):
        return model
    return catalog.resolve(price_list, model, conditions=conditions, at_us=at_us, credential=credential)
