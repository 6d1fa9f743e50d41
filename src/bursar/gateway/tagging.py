"""The tag step of admission: where a request's tags come from, and whether it has those it needs. Pure."""

from bursar.dialects.base import Request
from bursar.events import CallFacts
from bursar.gateway.headers import RequestHead
from bursar.policy.identity import Identity
from bursar.policy.subject import facts_of
from bursar.policy.tag_rules import Lacking, TagRules
from bursar.policy.tags import Tagged, normalise, tag


def tags_of(request: Request, head: RequestHead, identity: Identity, rules: TagRules) -> Tagged:
    """One set out of headers, body metadata and defaults."""
    body = [*head.metadata, *request.metadata.items()] if request.metadata else list(head.metadata)
    if request.user:
        body.append(("user", request.user))
    return tag(
        identity.principal,
        fallbacks=rules.defaults,
        defaults=identity.tags,
        body=normalise(body) if body else (),
        headers=head.tags,
        aliases=rules.aliases,
    )


def lacking_of(facts: CallFacts, tagged: Tagged, rules: TagRules) -> Lacking | None:
    """What a request lacks of the tags that its rules ask for; ``None`` = nothing."""
    flat = facts_of(
        facts.principal,
        facts.tags,
        provider=facts.provider,
        model=facts.model,
        dialect=facts.dialect,
        operation=facts.operation,
        task_type=facts.task_type,
    )
    # A task has a header of its own, and yet is a thing that requests can be required to name.
    return rules.lacking({**flat, "task": facts.task or flat.get("task", "")}, tagged.unfit)
