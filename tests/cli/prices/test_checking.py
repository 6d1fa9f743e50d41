"""`bursar prices check`."""

import json

import pytest

MAP = {
    "mini": {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 7e-07},
    "nova": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
}


@pytest.fixture
def second(tmp_path, bursar):
    """A second price list that agrees on one figure, differs in one and knows another model."""
    bursar.configure(
        '[[prices]]\nprovider = "openai"\nmodel = "mini"\nusd = { input_text = "0.15", output_text = "0.6" }\n'
    )
    path = tmp_path / "map.json"
    path.write_text(json.dumps(MAP))
    return path


def test_differences(bursar, second):
    """Differing figures are printed, the others counted, the models stored."""
    result = bursar("prices", "check", str(second))
    stored = json.loads((bursar.data_dir / "prices" / "quarantine.json").read_text())

    assert result.code == 0
    bursar.golden("prices_check", result.out + result.err)
    assert [("openai", "mini", ["output_cost_per_token"])] == [
        (one["provider"], one["model"], one["fields"]) for one in stored
    ]


def test_quarantine_is_shown(bursar, second):
    """A disputed model keeps its price and says so."""
    bursar("prices", "check", str(second))

    assert "a second source disagrees" in bursar("prices", "show", "openai", "mini").out


def test_strict(bursar, second):
    """With --strict a difference is a "no", an agreement is not."""
    assert bursar("prices", "check", str(second), "--strict").code == 1
    second.write_text(json.dumps({"mini": {"litellm_provider": "openai", "input_cost_per_token": 1.5e-07}}))
    assert bursar("prices", "check", str(second), "--strict").code == 0


def test_dry_run(bursar, second):
    """A dry run stores nothing."""
    (row,) = bursar("prices", "check", str(second), "--dry-run", "--format", "json").json()

    assert ("0.60", "0.70", "1.1667") == (row["ours_usd"], row["theirs_usd"], row["ratio"])
    assert not (bursar.data_dir / "prices" / "quarantine.json").exists()


@pytest.mark.parametrize("content", ["[]", "{", '{"a": 1}'])
def test_wrong_file(bursar, tmp_path, content):
    """A file that is no price map exits 2 and says so."""
    path = tmp_path / "map.json"
    path.write_text(content)
    result = bursar("prices", "check", str(path))

    assert (2, "") == (result.code, result.out)
    assert "the price map" in result.err


def test_missing_file(bursar):
    """A file that is not there is wrong usage."""
    assert bursar("prices", "check", "none.json").code == 2
