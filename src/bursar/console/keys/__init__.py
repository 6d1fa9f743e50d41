"""Virtual keys and the audit log over HTTP: the operations, their schemas, and what answers them."""
