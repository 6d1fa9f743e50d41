"""Alerts: what people should know, found by looking at what calls leave behind, and told to them.

The data plane only notes (`noted`): one append a settlement. Every second `watch` asks the counters how the accounts
stand that were touched, `budgets` and `runs` say what follows from that, and what is new is raised in the control state
under a key that exists once, so that neither several workers nor a restart raise it twice. One worker does what must be
done once: `conditions` resolves alerts that are over, `stores` and `usage` look at the rest of the gateway, `sender`
empties the outbox into `channel`s.

What must be true: an alert and what has to be told of it are one transaction; a receiver that is down, slow or hostile
costs the gateway nothing but its retries; nothing here can refuse or delay a call. It fails open: while the control
state is away, alerts wait in memory.
"""
