"""Dated price cards, compiled into one immutable snapshot.

List prices come from the installed `genai-prices` package, imported bundles lie above them, and the configuration's
`[[prices]]` above those; `load.load_catalog` composes the three. A model is found by its exact id or by an entry of
the compiled alias table, never by resemblance: a name the sources do not vouch for has no price, and no price is a fact
that rows state (`NoPrice`), never zero.

A price that is found is a `PriceCard` whose id is a hash of its content, so the same fact has the same id in every
snapshot, and a snapshot's digest changes only when a price or a name does.
"""
