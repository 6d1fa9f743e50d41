"""Traces are read as they were recorded, and what cannot be read is named with the way out."""

import gzip
import json
from pathlib import Path

import pytest

from bursar.replay.trace import read_trace
from bursar.replay.trace_request import TraceError, TraceRequest
from support.data import need


def written(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def test_azure_trace():
    """Azure's table has 19,366 requests, timed from the first."""
    requests = list(read_trace(need("traces/azure_llm_2023_conv.csv.gz")))

    assert len(requests) == 19366
    assert requests[0] == TraceRequest(at_s=0.0, input_tokens=374, output_tokens=44)
    assert requests[1].at_s == pytest.approx(4.314579, abs=1e-5)
    assert requests[-1].at_s == pytest.approx(3600, abs=120)


def test_mooncake_trace():
    """Mooncake's lines have 12,031 requests, a block of 512 tokens for each id."""
    requests = list(read_trace(need("traces/mooncake_conversation.jsonl.gz")))

    assert len(requests) == 12031
    assert requests[0].prefix_blocks == tuple(range(14))
    assert (requests[0].input_tokens, requests[0].output_tokens, requests[0].block_tokens) == (6758, 500, 512)
    assert requests[-1].at_s == 3536.999


def test_agent_session():
    """A session's requests come in order, its sub-agents' among them."""
    requests = list(read_trace(need("traces/agent_sessions") / "trace_0003.json.gz"))

    times = [request.at_s for request in requests]
    assert times == sorted(times)
    assert {request.task for request in requests} == {"trace_0003"}
    assert {request.model for request in requests} == {"claude-opus-4-5-20251101", "claude-haiku-4-5-20251001"}
    assert (requests[0].input_tokens, requests[0].output_tokens, requests[0].block_tokens) == (16564, 244, 64)


def test_sub_agent(tmp_path: Path):
    """A sub-agent's requests are timed from its own start."""
    sub = {"t": 10.0, "requests": [{"t": 2.5, "in": 3, "out": 4, "model": "small"}]}
    later = {"t": 11.0, "in": 5, "out": 6, "model": "large", "hash_ids": [1]}
    path = written(tmp_path / "s.json", json.dumps({"id": "s", "block_size": 4, "requests": [sub, later]}))

    assert [(one.at_s, one.model) for one in read_trace(path)] == [(11.0, "large"), (12.5, "small")]


def test_folder_of_sessions():
    """A folder is all its sessions side by side: 3,227 requests in order of time."""
    requests = list(read_trace(need("traces/agent_sessions")))

    times = [request.at_s for request in requests]
    assert (len(requests), times == sorted(times)) == (3227, True)


def test_generic_table(tmp_path: Path):
    """Columns are found by their usual names; tags and tasks come along."""
    path = written(
        tmp_path / "load.tsv",
        "time\tprompt_tokens\tcompletion_tokens\tmodel\tteam\ttag_release\tsession_id\n"
        "2026-01-01T00:00:00Z\t10\t5\tgpt-4o\tsearch\tr7\ts1\n"
        "2026-01-01T00:00:02.500Z\t20\t6\t\t\t\t\n",
    )

    assert list(read_trace(path)) == [
        TraceRequest(
            at_s=0.0,
            input_tokens=10,
            output_tokens=5,
            model="gpt-4o",
            tags=(("release", "r7"), ("team", "search")),
            task="s1",
        ),
        TraceRequest(at_s=2.5, input_tokens=20, output_tokens=6),
    ]


def test_generic_lines(tmp_path: Path):
    """JSON lines without block ids give their time in seconds; blank lines are passed over."""
    path = tmp_path / "load.jsonl.gz"
    with gzip.open(path, "wt") as out:
        out.write(
            '{"t": 5, "input_tokens": 10, "output_tokens": 5}\n\n{"t": 6.5, "input_tokens": 1, "output_tokens": 2}\n'
        )

    assert [(one.at_s, one.input_tokens) for one in read_trace(path)] == [(0.0, 10), (1.5, 1)]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "time,input_tokens\n1,2\n", r"a\.csv:1: no column for output_tokens; rename one to any of "),
        ("a.csv", "time,in,out\n1,x,3\n", r"a\.csv:2, column in: 'x' is no number of tokens; write a whole"),
        ("a.csv", "time,in,out\n1,-4,3\n", r"a\.csv:2, column in: '-4' is no number of tokens"),
        ("a.csv", "time,in,out\nlater,4,3\n", r"a\.csv:2, column time: 'later' is no time; write seconds or ISO 8601"),
        ("a.csv", "time,in,out\n1,4\n", r"a\.csv:2: the row has not as many fields as the header \(3\)"),
        ("a.jsonl", "{\n", r"a\.jsonl:1: not JSON: .*; each line must be one object"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: list in place of an object"),
        ("a.jsonl", '{"t": 1, "in": null, "out": 2}\n', r"a\.jsonl:1, key in: None is neither a number nor text"),
        ("a.json", "{}", r"a\.json: not an agent session: .* other traces are \.csv"),
        (
            "a.json",
            '{"id": "s", "requests": [{"t": 0}]}',
            r"request 1 at 0 s has no 'in' or 'out'; add the token counts",
        ),
        ("a.parquet", "", r"\.parquet suffix; a trace is \.csv, \.tsv, \.jsonl or \.json, or \.gz"),
        ("a.csv.gz", "not gzip", r"cannot read .*a\.csv\.gz: .*; check the path"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, text: str, expected: str):
    """An error names the file, the line, the column and the way out."""
    with pytest.raises(TraceError, match=expected):
        list(read_trace(written(tmp_path / name, text)))


def test_missing(tmp_path: Path):
    """A file that is not there, and a folder without sessions, are named."""
    with pytest.raises(TraceError, match=r"cannot read .*none\.csv: No such file"):
        list(read_trace(tmp_path / "none.csv"))
    with pytest.raises(TraceError, match=r"no .* session in this folder"):
        list(read_trace(tmp_path))
