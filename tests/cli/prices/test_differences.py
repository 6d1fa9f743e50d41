"""`bursar prices diff`."""

from bursar.catalog.bundle import export_bundle
from support.cards import make_card

DEARER = '[[prices]]\nprovider = "acme"\nmodel = "small"\nusd = { input_text = "1.5", output_text = "4" }\n'


def test_previous_catalog(bursar):
    """Without names: what the catalog in force changed about the one before."""
    bursar("prices", "list")
    bursar.configure(DEARER + 'valid_from = "2026-11-01"\nvalid_to = "2026-12-01"\n')
    result = bursar("prices", "diff")

    assert result.code == 0
    bursar.golden("prices_diff", result.out + result.err)


def test_back_and_forth(bursar):
    """Two digests, either way round, mirror each other."""
    old = _digest(bursar)
    bursar.configure(DEARER)
    new = _digest(bursar)
    forth = bursar("prices", "diff", old, new, "--format", "json").json()
    back = bursar("prices", "diff", new, old, "--format", "json").json()

    assert forth
    assert [(row["what"], row["old_usd"], row["new_usd"]) for row in forth] == [
        (row["what"], row["new_usd"], row["old_usd"]) for row in back
    ]
    assert [] == bursar("prices", "diff", new, new, "--format", "json").json()


def test_files(bursar, tmp_path):
    """A stored catalog and a bundle can be named by their files."""
    old = bursar.data_dir / "prices" / f"{_digest(bursar)}.cards"
    bundle = tmp_path / "new.json"
    bundle.write_bytes(export_bundle([make_card("extra")]))
    rows = bursar("prices", "diff", str(old), str(bundle), "--format", "csv").csv()

    assert {("added", "extra"), ("removed", "small"), ("removed", "large"), ("removed", "mini")} == {
        (row["change"], row["model"]) for row in rows
    }


def test_nothing_before(bursar):
    """The first catalog has nothing to be compared with."""
    result = bursar("prices", "diff")

    assert (1, "") == (result.code, result.out)
    assert "There is no earlier catalog in" in result.err


def test_unknown_name(bursar):
    """What is neither a file nor a digest exits 2."""
    result = bursar("prices", "diff", "0000000000000000", "x/../y")

    assert (2, True) == (result.code, "'0000000000000000' is neither a file nor the digest of a catalog" in result.err)


def _digest(bursar) -> str:
    """The digest of the catalog in force."""
    bursar("prices", "list")
    result = bursar("prices", "diff", "--format", "json")
    if result.code == 0:
        return result.err.rstrip(".\n").rpartition(" ")[2]
    return result.err.split("to compare ")[1].split()[0]
