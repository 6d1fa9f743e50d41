"""`bursar prices import`."""

import json

import pytest

from bursar.catalog.bundle import export_bundle
from support.cards import make_card


@pytest.fixture
def bundle(tmp_path):
    """A bundle with a new price of a known model."""
    path = tmp_path / "bundle.json"
    path.write_bytes(export_bundle([make_card("small", usd={"input_mtok": "3", "output_mtok": "9"})]))
    return path


def prices_of(bursar) -> tuple[str, str]:
    """The prices of `small` in force."""
    (row,) = bursar("prices", "list", "--model", "small", "--format", "json").json()
    return row["input_mtok_usd"], row["source"].split()[0]


def test_import(bursar, bundle):
    """A bundle's prices win over the list from now on, and are known since now."""
    result = bursar("prices", "import", str(bundle))

    assert result.code == 0
    assert result.out.startswith("1 cards and 0 names, known since 2026-11-02T00:00:00Z: ")
    assert ("3.00", "bundle") == prices_of(bursar)


def test_twice(bursar, bundle):
    """A second import changes nothing and keeps the time of the first."""
    bursar("prices", "import", str(bundle))
    bursar.clock.us += 1_000_000
    result = bursar("prices", "import", str(bundle))

    assert result.out.startswith("1 cards and 0 names, known since 2026-11-02T00:00:00Z: 0 prices differ now.")


def test_own_prices_stay_above(bursar, bundle):
    """The configuration wins over a bundle."""
    bursar.configure('[[prices]]\nprovider = "acme"\nmodel = "small"\nfree = true\n')
    bursar("prices", "import", str(bundle))

    assert ("0.00", "configuration") == prices_of(bursar)


def test_expected_digest(bursar, bundle):
    """Only the bundle that was expected is taken over."""
    wrong = bursar("prices", "import", str(bundle), "--digest", "ab" * 32)
    before = prices_of(bursar)
    right = bursar("prices", "import", str(bundle), "--digest", json.loads(bundle.read_text())["sha256"].upper())

    assert (2, True) == (wrong.code, "not to the expected" in wrong.err)
    assert ("1.00", "test") == before
    assert (0, ("3.00", "bundle")) == (right.code, prices_of(bursar))


def test_changed_bundle(bursar, bundle):
    """A bundle whose figures were changed is refused."""
    bundle.write_text(bundle.read_text().replace('"usd": "0.000003"', '"usd": "0.000001"'))
    result = bursar("prices", "import", str(bundle))

    assert (2, True) == (result.code, "get it again" in result.err)
