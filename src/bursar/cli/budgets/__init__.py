"""`bursar budgets`: budgets on the command line, one file a command.

Commands read and write the control state of the configuration's data folder, whether or not a gateway runs on it; a
running one sees a change within a second. What was spent comes from the ledger.
"""

import click

from bursar.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    places={
        "list": ("bursar.cli.budgets.listing:list_budgets", "All budgets and what is left of them."),
        "show": ("bursar.cli.budgets.showing:show", "One budget, its accounts and top-ups."),
        "create": ("bursar.cli.budgets.creating:create", "Make a budget."),
        "edit": ("bursar.cli.budgets.editing:edit", "Change some of a budget's terms."),
        "delete": ("bursar.cli.budgets.deleting:delete", "Remove a budget."),
        "topup": ("bursar.cli.budgets.topping:topup", "Add room to a budget, or take it back."),
    },
)
def budgets() -> None:
    """Look at budgets, and make, change, top up and remove them.

    Budgets of bursar.toml are listed beside those made here, and changed in the file alone; both can be topped up.
    """
