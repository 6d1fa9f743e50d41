"""The facts that decided a price, kept with the row so that it can be priced again exactly."""

import msgspec

from bursar.events import Corrected, Part, PriceStatus
from bursar.ledger.questions import AttemptRow, CandidatesQuestion
from bursar.money import Pico
from bursar.usage import Meter, usage_of
from support.ledger_records import corrected, open_ledger, settled, unpriced, write_spool

PARTS = (
    Part("large", usage_of({Meter.INPUT_TEXT: 2})),
    Part("small", usage_of({Meter.INPUT_TEXT: 1, Meter.OUTPUT_TEXT: 1})),
)
CONDITIONS = (("deployment", "regional"), ("service_tier", "default"))


def present(data_dir) -> AttemptRow:
    """The only attempt of a ledger, as it stands."""
    with open_ledger(data_dir) as ledger:
        (row,) = ledger.ask(CandidatesQuestion()).rows
    return row


def test_facts_are_kept(tmp_path):
    """Price list, conditions and the parts of several models come back as they were settled."""
    write_spool(tmp_path, "w", [settled(price_list="azure", conditions=CONDITIONS, parts=PARTS)])
    row = present(tmp_path)

    assert ("azure", CONDITIONS, PARTS) == (row.price_list, row.conditions, row.parts)


def test_facts_survive_a_correction(tmp_path):
    """A restated row keeps the facts, so that it can be corrected again."""
    record = unpriced(price_list="azure", conditions=CONDITIONS, parts=PARTS)
    write_spool(tmp_path, "w", [record, corrected(cost=7, delta=7)])
    row = present(tmp_path)

    assert (row.cost, row.revision) == (7, 1)
    assert ("azure", CONDITIONS, PARTS) == (row.price_list, row.conditions, row.parts)


def test_record_without_facts(tmp_path):
    """A settled record from before these facts were kept has none of them."""
    record = settled()
    older = type(record)(*(getattr(record, name) for name in record.__struct_fields__[:-3]))
    content = msgspec.msgpack.encode(older)
    fields = msgspec.msgpack.decode(content)
    write_spool(tmp_path, "w", [msgspec.convert(fields[:-3], type(record))])
    row = present(tmp_path)

    assert (None, (), ()) == (row.price_list, row.conditions, row.parts)


def test_correction_restates_list_cost_and_usage(tmp_path):
    """What a correction says about the list price and about added meters holds from then on."""
    usage = ((int(Meter.INPUT_TEXT), 3), (int(Meter.REQUESTS), 1))
    correction = msgspec.structs.replace(corrected(cost=5, delta=5), list_cost=Pico(9), usage=usage)
    write_spool(tmp_path, "w", [unpriced(), correction])
    row = present(tmp_path)

    assert (5, 9, {"input_text": 3, "requests": 1}) == (row.cost, row.list_cost, row.usage)


def test_correction_from_before(tmp_path):
    """A correction that says nothing of usage leaves it as it was."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(corrected(cost=5, delta=5)))
    older = msgspec.convert(fields[:-2], Corrected, strict=False)
    write_spool(tmp_path, "w", [unpriced(), older])
    row = present(tmp_path)

    assert ({"input_text": 3, "output_text": 1}, PriceStatus.PRICED) == (row.usage, row.price_status)
