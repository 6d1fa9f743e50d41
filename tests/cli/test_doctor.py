"""`bursar doctor`, without a gateway and with one."""

import re
from contextlib import contextmanager

import pytest

from bursar.ledger.questions import Health, StoreHealth
from bursar.money import format_usd
from bursar.policy.claims import Hold
from bursar.policy.decide import budget_gate
from bursar.wiring.doctor.books import ledger_checks
from bursar.wiring.doctor.setup import NO_SPACE, folder_checks
from support.console import RunningConsole
from support.gateway import ADMIN_TOKEN
from support.ledger_records import facts, settled, unpriced

CONFIG = """
[[providers]]
name = "openai"
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
[[budgets]]
name = "search"
match = { team = "search" }
limit_usd = "1"
[[budgets]]
name = "users"
per = ["user"]
limit_tokens = 1000
"""


def states(result) -> dict[str, str]:
    """The worst state of each check."""
    found: dict[str, str] = {}
    for row in result.json():
        worst = max(found.get(row["check"], "ok"), row["state"], key=["ok", "warn", "fail"].index)
        found[row["check"]] = worst
    return found


@contextmanager
def running(commands):
    """A gateway on the commands' folder, with its ledger."""
    with RunningConsole(commands.data_dir, config=CONFIG) as console:
        commands.clock.us = console.now_us
        commands.configure(f"[server]\nport = {console.port}\n{CONFIG}")
        (commands.data_dir / "admin-token").write_text(ADMIN_TOKEN)
        yield console


def spend(console, call, **more):
    """Record an attempt as another process did, and count it as this one would."""
    about = facts(call, at_us=console.now_us, tags=(("user", "ann"),))
    console.put(settled(about=about, **more))


def count(console, name, whose, amount):
    """Let the counters know of spend."""
    gateway = console.gateway
    gate = budget_gate(gateway.snapshot.rules.by_name[name], whose, gateway.snapshot.rules, at_us=console.now_us)
    hold = Hold(f"{name}/{amount}", console.now_us, (gate.account,), (0,))
    gateway.counters.settle(hold, (amount,))


def test_fresh_folder(bursar):
    """A folder in which nothing has run yet is well; what is missing on purpose is said."""
    bursar.configure('[server]\nport = 9\n[[providers]]\nname = "openai"\ndialect = "openai"\nsimulated = true\n')
    found = bursar("doctor")

    assert 0 == found.code, found.out
    text = re.sub(
        r"[\d,]+ MB free", "N MB free", re.sub(r"configuration [0-9a-f]{16}", "configuration DIGEST", found.out)
    )
    bursar.golden("doctor", re.sub(r"  +", "  ", text))


def test_unusable_configuration(bursar):
    """A configuration that cannot be used is the one finding that matters."""
    bursar.configure("[[budgets]]\nname = 'b'\nlimit = '1'")
    broken = bursar("doctor", "--format", "json")
    bursar.configure('[[keys]]\nname = "k"\nkey = "env:BURSAR_TEST_NOT_SET"')
    unset = bursar("doctor", "--format", "json")

    assert (1, {"configuration": "fail"}) == (broken.code, states(broken))
    assert (1, "fail") == (unset.code, states(unset)["settings"])
    assert "BURSAR_TEST_NOT_SET" in unset.out


def test_warnings(bursar):
    """Keys that end soon, providers without credentials and models without a price are named; the exit code stays 0."""
    bursar.configure(f"[server]\nport = 9\n{CONFIG}")
    bursar("keys", "create", "ci", "--expires", "3d")
    bursar.record([unpriced(1, about=facts(1, at_us=bursar.clock.us, model="odd"))])
    found = bursar("doctor", "--format", "json")

    assert 0 == found.code
    assert {
        "keys": "warn",
        "providers": "warn",
        "unpriced": "warn",
        "counters": "ok",
        "ledger": "ok",
    }.items() <= states(found).items()
    for part in ("ci (2026-11-05)", "no api_key: openai", "openai/odd"):
        assert part in found.out


def test_counters_agree(bursar):
    """Counters that say what the ledger says are well."""
    with running(bursar) as console:
        spend(console, 1)
        count(console, "search", (), 1000)
        count(console, "users", "ann", 4)
        found = bursar("doctor", "--format", "json")

    assert {"counters": "ok", "gateway": "ok"}.items() <= states(found).items(), found.out
    assert "2 budget accounts agree" in found.out


@pytest.mark.parametrize(("counted", "state", "code"), [(900, "fail", 1), (1100, "warn", 0)])
def test_counters_drift(bursar, counted, state, code):
    """Counters that know too little are a failure, since a budget leaks; those that know too much are a warning."""
    with running(bursar) as console:
        spend(console, 1)
        count(console, "search", (), counted)
        count(console, "users", "ann", 4)
        found = bursar("doctor", "--format", "json")

    assert (code, state) == (found.code, states(found)["counters"])
    assert f"budget 'search': counters say ${format_usd(counted)}, the ledger ${format_usd(1000)}" in found.out


def test_gateway_in_trouble(bursar):
    """What the gateway says of itself is repeated."""
    with running(bursar) as console:
        console.gateway.is_draining = True
        found = bursar("doctor", "--format", "json")

    assert (1, "fail") == (found.code, states(found)["gateway"])
    assert "shutting down" in found.out


def test_ledger_in_trouble():
    """Each figure of the ledger that should be nothing is a finding."""
    healthy = Health(
        store=StoreHealth(5, 5, 1, 100),
        segments=1,
        spool_files=1,
        unread_bytes=0,
        in_flight=0,
        waiting_corrections=0,
        duplicates=3,
        expired=0,
        damage=(),
        unreadable=(),
        dropped_before="",
    )

    def found(**changes):
        values = {name: getattr(healthy, name) for name in Health.__struct_fields__}
        return [one.state for one in ledger_checks(Health(**values | changes))]

    assert ["ok"] == found()
    assert ["fail", "fail", "fail"] == found(damage=("x", "y"), unreadable=("z",))
    assert ["warn", "warn", "warn"] == found(expired=1, waiting_corrections=1, unread_bytes=1 << 30)


def test_full_disk(tmp_path, monkeypatch):
    """A disk that is nearly full is a failure before calls are refused."""

    class Usage:
        free = NO_SPACE - 1

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert ["fail"] == [one.state for one in folder_checks(tmp_path)]
