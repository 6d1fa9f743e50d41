"""The API's operations on budgets."""

from typing import Final

from bursar.console.operation import Operation, Parameter

_NAME: Final = Parameter("name", "The budget's name.", {"type": "string"}, place="path")

BUDGET_OPERATIONS: Final = (
    Operation(
        name="budgets",
        path="/budgets",
        summary="All budgets and how they stand",
        text="Those of bursar.toml, which only the file changes, and those made at run time. Amounts are those of the "
        "running counters, what calls in flight have reserved included; of a budget with several accounts, those of "
        "the fullest.",
        answer="Budgets",
        errors=(503,),
    ),
    Operation(
        name="create_budget",
        path="/budgets",
        method="POST",
        summary="Make a budget",
        text="What its period has seen already counts. It is in force within seconds.",
        body="BudgetTerms",
        status=201,
        answer="BudgetMade",
        errors=(400, 401, 409, 503),
    ),
    Operation(
        name="budget",
        path="/budgets/{name}",
        summary="One budget, its accounts and top-ups",
        text="Its accounts, the fullest first, a hundred at most, and its latest top-ups.",
        parameters=(_NAME,),
        answer="BudgetWhole",
        errors=(404, 503),
    ),
    Operation(
        name="change_budget",
        path="/budgets/{name}",
        method="PATCH",
        summary="Change some of a budget's terms",
        text="What the body does not name stays as it is; null takes a term away.",
        parameters=(_NAME,),
        body="BudgetChanges",
        answer="BudgetMade",
        errors=(400, 401, 404, 409, 503),
    ),
    Operation(
        name="delete_budget",
        path="/budgets/{name}",
        method="DELETE",
        summary="Remove a budget",
        text="What was spent stays in the ledger. The answer is what the budget was.",
        parameters=(_NAME,),
        answer="BudgetMade",
        errors=(400, 401, 404, 409, 503),
    ),
    Operation(
        name="top_up_budget",
        path="/budgets/{name}/topup",
        method="POST",
        summary="Add room to a budget",
        text="In its present period, unless the body says until when. Budgets of bursar.toml can be topped up as well.",
        parameters=(_NAME,),
        body="TopUpGrant",
        status=201,
        answer="TopUp",
        errors=(400, 401, 404, 503),
    ),
    Operation(
        name="cancel_top_up",
        path="/budgets/{name}/topup/{id}",
        method="DELETE",
        summary="Take back a top-up",
        text="The budget's limit is what it was without it.",
        parameters=(_NAME, Parameter("id", "The top-up's id.", {"type": "integer"}, place="path")),
        answer="TopUp",
        errors=(401, 404, 503),
    ),
)
