"""The spool: what is appended stays, and a disk that refuses loses nothing that was settled."""

import errno
import os
import subprocess
import threading

import pytest

from bursar.errors import LedgerUnavailable
from bursar.events import Outcome
from bursar.ledger.frames import OpenAttempt, read_frames
from bursar.ledger.intake import list_sources
from bursar.ledger.spool import REFUSALS_KEPT_BYTES, Spool
from support.ledger_records import corrected, opened, settled

MAX_BYTES = 1 << 20


class Disk:
    """A disk with so many bytes left, that writes what fits and then refuses."""

    def __init__(self, left):
        self.left = left

    def write(self, descriptor, data):
        if self.left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fits = data[: self.left]
        self.left -= len(fits)
        return os.write(descriptor, fits)


def records_in(directory):
    """All records of all spool files, in order."""
    read = [
        frame.record for path in sorted(directory.glob("*.spool")) for frame in read_frames(path.read_bytes()).frames
    ]
    return [record.opened() if isinstance(record, OpenAttempt) else record for record in read]


def test_append(tmp_path):
    """Records lie on the disk in order as soon as `append` returns."""
    records = [opened(1), settled(1), corrected(1, cost=5, delta=-995)]
    with Spool(tmp_path, "gateway", max_bytes=MAX_BYTES) as spool:
        for record in records:
            spool.append(record)

        assert records == records_in(tmp_path)


def test_rotation(tmp_path):
    """A full file is followed by the next one, and no record is split between two."""
    records = [settled(call) for call in range(50)]
    with Spool(tmp_path, "gateway", max_bytes=1000) as spool:
        for record in records:
            spool.append(record)

    assert records == records_in(tmp_path)
    assert max(path.stat().st_size for path in tmp_path.glob("*.spool")) <= 1000


def test_record_larger_than_a_file(tmp_path):
    """A record beyond the file size gets a file of its own."""
    with Spool(tmp_path, "gateway", max_bytes=10) as spool:
        spool.append(settled(1))
        spool.append(settled(2))

    assert [settled(1), settled(2)] == records_in(tmp_path)


def test_full_disk_refuses_what_is_opened(tmp_path):
    """Before the money is spent the spool fails closed, and leaves no trace of the attempt."""
    disk = Disk(left=0)
    with Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write) as spool:
        with pytest.raises(LedgerUnavailable, match="free space"):
            spool.append(opened(1))

        assert (spool.pending, records_in(tmp_path)) == (0, [])


def test_full_disk_holds_what_is_settled(tmp_path):
    """After the money is spent nothing is lost: records wait in order and are written once the disk recovers."""
    disk = Disk(left=0)
    records = [settled(1), corrected(1, cost=5, delta=-995), settled(2)]
    with Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write) as spool:
        for record in records:
            spool.append(record)
        held = spool.pending
        disk.left = 10**6
        spool.append(opened(3))

        assert (held, spool.pending) == (3, 0)
        assert [*records, opened(3)] == records_in(tmp_path)


@pytest.mark.parametrize("left", range(0, 1200, 37))
def test_short_writes(tmp_path, left):
    """However much of a record still fits, the file never holds a part of one, and recovery completes it."""
    disk = Disk(left)
    records = [settled(call) for call in range(3)]
    with Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write) as spool:
        for record in records:
            spool.append(record)
        (path,) = tmp_path.glob("*.spool")
        read = read_frames(path.read_bytes())
        whole = list(records[: len(read.frames)])
        found = [frame.record for frame in read.frames]
        disk.left = 10**6

    assert whole == found
    assert read.stop.value == "end"
    assert records == records_in(tmp_path)


def test_close_says_what_is_lost(tmp_path):
    """A spool that must end on a full disk says how many records it could not write."""
    disk = Disk(left=0)
    spool = Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write)
    spool.append(settled(1))

    with pytest.raises(LedgerUnavailable, match="1 settled"):
        spool.close()


def test_torn_end_that_cannot_be_removed(tmp_path, monkeypatch):
    """When even cutting off a torn record fails, the next record starts a new file."""
    disk = Disk(left=50)
    with Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write) as spool:
        monkeypatch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        spool.append(settled(1))
        disk.left = 10**6
        spool.append(settled(2))

    torn, whole = sorted(tmp_path.glob("*.spool"))
    assert torn.stat().st_size == 50
    assert [settled(1), settled(2)] == [frame.record for frame in read_frames(whole.read_bytes()).frames]


def test_refusals_are_not_held_without_end(tmp_path):
    """A flood of refusals on a full disk does not eat the memory: past a bound they are given up, loudly."""
    disk = Disk(left=0)
    refusal = settled(1, outcome=Outcome.REFUSED, raw_usage="x" * (REFUSALS_KEPT_BYTES // 4))
    spool = Spool(tmp_path, "gateway", max_bytes=MAX_BYTES, write=disk.write)
    for _ in range(4):
        spool.append(refusal)

    with pytest.raises(LedgerUnavailable, match="free space"):
        spool.append(refusal)
    spool.append(settled(2))
    assert spool.pending == 5
    disk.left = 10**9
    spool.close()


def test_threads(tmp_path):
    """Records of several threads all arrive, each whole."""
    with Spool(tmp_path, "gateway", max_bytes=4096) as spool:
        threads = [
            threading.Thread(target=lambda base=base: [spool.append(settled(base + n)) for n in range(50)])
            for base in (0, 100, 200)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    calls = {record.facts.call_id for record in records_in(tmp_path)}
    assert {f"call-{base + n:06d}" for base in (0, 100, 200) for n in range(50)} == calls


def test_life_of_a_worker(tmp_path):
    """A worker is alive while its spool is open; its current file is final only afterwards, older ones before."""
    with Spool(tmp_path, "gateway", max_bytes=10) as spool:
        spool.append(settled(1))
        spool.append(settled(2))
        alive = [(source.is_dead, source.is_final) for source in list_sources(tmp_path)]

    assert alive == [(False, True), (False, False)]
    assert [(source.is_dead, source.is_final) for source in list_sources(tmp_path)] == [(True, True), (True, True)]


def test_names_are_never_used_twice(tmp_path):
    """Two spools with one label are two workers."""
    with (
        Spool(tmp_path, "gateway", max_bytes=MAX_BYTES) as one,
        Spool(tmp_path, "gateway", max_bytes=MAX_BYTES) as two,
    ):
        assert one.worker != two.worker


@pytest.mark.parametrize("label", ["", "a.b", "../x", "a b", "-"])
def test_bad_label(tmp_path, label):
    """A label that could confuse file names is refused."""
    with pytest.raises(ValueError, match="label"):
        Spool(tmp_path, label, max_bytes=MAX_BYTES)


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 KiB; skipped where this user cannot mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_really_full_disk(small_disk):
    """On a real full file system the same holds: nothing settled is lost once space is freed."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    records = [settled(call) for call in range(200)]
    with Spool(small_disk / "spool", "gateway", max_bytes=MAX_BYTES) as spool:
        for record in records:
            spool.append(record)
        held = spool.pending
        with pytest.raises(LedgerUnavailable):
            spool.append(opened(999))
        ballast.unlink()
        # 200 records are more than 64 KiB: what does not fit is still held, none is lost
        spool.append(settled(200))
        on_disk = len(records_in(small_disk / "spool"))
        assert held > spool.pending
        assert on_disk + spool.pending == 201
        for path in sorted((small_disk / "spool").glob("*.spool")):
            os.truncate(path, 0)
        spool._size = 0
        spool.append(settled(201))
        assert spool.pending == 0
