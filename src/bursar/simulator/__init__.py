"""A simulated provider: it speaks the public wire formats of five API families and keeps its own books.

It stands in for real providers in tests, demonstrations and load runs. It is written from the providers' documentation
and recorded traffic alone and imports nothing that reads those formats, so that when the gateway's ledger equals the
simulator's account, two independent readings agree.

Who owns what: `routes` finds the endpoint of a path, a module for each dialect reads the request into an `Ask` and
words the `Answer`, `writing` invents the answer, `prompt_cache` says what of a prompt was seen before, `faults`
decides what goes wrong, `delivery` puts the bytes on the wire at a plausible pace, and `account` records what was
served and what it would be billed for.

Invariants: the same seed and the same request body give the same text and token counts; every request is in the account
exactly once; what the account calls billed is what was generated, whether or not the usage reached the client.
"""
