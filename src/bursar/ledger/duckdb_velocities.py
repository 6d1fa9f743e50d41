"""A `VelocitiesQuestion` as SQL: what each run spent in each part of time, and a percentile of that by type of run."""

from collections.abc import Mapping

from bursar.ledger.duckdb_schema import MEASURES
from bursar.ledger.questions import VelocitiesQuestion


def velocities_statement(question: VelocitiesQuestion) -> tuple[str, Mapping[str, object]]:
    """The statement, whose rows are task type, percentile and number of parts, and its parameters.

    The percentile is one of the sums that occurred (``quantile_disc``), so it is exact. The same id is another run for
    another team, or for another key where there is no team, as in `bursar.policy.runs.scope_of`.
    """
    parts = (
        "select coalesce(task_type, '') as task_type, organisation, team, task,"
        " case when coalesce(team, '') = '' then key end as owner,"
        f' epoch_us("at") // {int(question.part_us)} as part, coalesce({MEASURES["charge"]}, 0) as spent'
        f' from rows where task is not null and "at" >= make_timestamp({int(question.since_us)}::bigint) group by all'
    )
    statement = (
        f"select task_type, quantile_disc(spent, $share), count(*) as parts from ({parts}) where spent > 0"
        " group by task_type having count(*) >= $at_least order by task_type"
    )
    return statement, {"share": question.percent / 100, "at_least": question.at_least}
