"""Web pages and their JSON API: ordinary ASGI on the gateway's port. They read the ledger; they never write to it.

`answers` asks the ledger for both faces, so that a page and the API can never disagree; `api` gives answers out as
JSON, `pages` as HTML. `operations` is the one table of the API, from which both its routes and its OpenAPI document are
made. `guard` is in front of everything.
"""
