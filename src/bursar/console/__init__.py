"""Web pages and their JSON API: ordinary ASGI on the gateway's port. They read the ledger; they never write to it."""
