"""Looking at a request without sending it, over HTTP: the operation, its schema, and what answers it."""
