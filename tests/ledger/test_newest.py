"""Paging through the newest attempts: retries of one call share an instant, and none may be lost or come twice."""

import pytest

from bursar.ledger.questions import NewestQuestion
from support.ledger_records import facts, open_ledger, settled, write_spool


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7])
def test_pages_hold_every_attempt_once(tmp_path, page_rows):
    """Pages that continue after the last row give what one long page gives."""
    at_us = facts(1).at_us
    records = [settled(about=facts(call, attempt, at_us=at_us)) for call in (1, 2, 3) for attempt in (1, 2)]
    write_spool(tmp_path, "one", [*records, settled(4)])
    with open_ledger(tmp_path) as ledger:
        paged, after = [], None
        while rows := ledger.ask(NewestQuestion(limit=page_rows, after=after)).rows:
            paged += rows
            after = (rows[-1].at_us, rows[-1].call_id, rows[-1].attempt)
        whole = ledger.ask(NewestQuestion()).rows

    assert paged == list(whole)
    assert len(whole) == 7
