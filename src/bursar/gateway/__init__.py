"""The data plane: every call a company makes to a provider passes through here.

One pipeline for every dialect, streamed or not (`pipeline`); client connections are uvicorn protocols (`protocol`), one
`call` per request, one `attempt` per try at a provider. Bytes go from transport to transport; a tap watches a copy.

Invariants: a call that was opened is settled exactly once, whatever happens to the client, the provider or the
process; the row is in the spool before the client has the whole answer; a route that is not in the table never reaches
a provider.
"""
