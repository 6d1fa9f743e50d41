"""The facts of a request that rules match on: who pays, its tags, and what it asks for, as one flat mapping."""

from collections.abc import Mapping

from bursar.events import Principal


def facts_of(
    principal: Principal,
    tags: tuple[tuple[str, str], ...],
    *,
    provider: str,
    model: str | None,
    dialect: str,
    operation: str,
    task_type: str | None,
) -> Mapping[str, str]:
    """Value by dimension; a dimension without a value is left out. A tag never hides one of the other facts."""
    facts = dict(tags)
    facts["provider"] = provider
    facts["dialect"] = dialect
    facts["operation"] = operation
    facts["model"] = model or ""
    facts["task_type"] = task_type or ""
    facts["organisation"] = principal.organisation
    facts["team"] = principal.team
    facts["project"] = principal.project
    facts["key"] = principal.key
    return facts
