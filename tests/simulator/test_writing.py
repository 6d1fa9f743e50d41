"""Answers have the length that was asked for and end for the right reason."""

from hypothesis import given
from hypothesis import strategies as st

from bursar.simulator.ask import Ask, Finish, Tool
from bursar.simulator.chance import Chance
from bursar.simulator.steering import Steering
from bursar.simulator.tokens import count_tokens
from bursar.simulator.writing import Style, compose, output_tokens_of

STYLE = Style(median_tokens=50, sigma=0.5)


def asked(**more: object) -> Ask:
    """A plain question."""
    return Ask(**{"model": "m", "stream": False, "prompt": (), "question": "How?", **more})


@given(st.integers(), st.integers(0, 500), st.sampled_from([None, "low", "high"]))
def test_steered_length(seed: int, wanted: int, effort: str | None):
    """Reasoning and text together are exactly as long as steered."""
    answer = compose(asked(effort=effort), Chance(seed), Steering(output_tokens=wanted), STYLE)

    (choice,) = answer.choices
    assert count_tokens(answer.reasoning) + output_tokens_of(choice) == wanted
    assert choice.finish is Finish.STOP


@given(st.integers(), st.integers(1, 60), st.sampled_from([None, "medium"]))
def test_limit(seed: int, limit: int, effort: str | None):
    """No answer exceeds its limit; one that would is cut at it and says so."""
    answer = compose(asked(max_tokens=limit, effort=effort), Chance(seed), Steering(), STYLE)

    (choice,) = answer.choices
    total = count_tokens(answer.reasoning) + output_tokens_of(choice)
    assert total <= limit
    assert (choice.finish is Finish.LENGTH) <= (total == limit)


@given(st.integers(), st.integers(0, 20))
def test_limit_of_structure(seed: int, limit: int):
    """A limit cuts structured answers and tool calls too."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    tool = Tool("get_it", schema)
    for ask in (asked(json_schema=schema, max_tokens=limit), asked(tools=(tool,), tool_choice="any", max_tokens=limit)):
        (choice,) = compose(ask, Chance(seed), Steering(), STYLE).choices

        assert output_tokens_of(choice) <= max(limit, count_tokens("get_it"))


def test_stop_sequence():
    """An answer ends before a stop sequence."""
    answer = compose(asked(stop=("e",)), Chance(1), Steering(output_tokens=100), STYLE)

    (choice,) = answer.choices
    assert (choice.finish, choice.stop_sequence, "e" in choice.text) == (Finish.STOP_SEQUENCE, "e", False)


def test_tool_slices():
    """The parts of a tool call add up to its arguments and its tokens."""
    tool = Tool("get_it", {"properties": {"a": {"type": "string"}}})
    (choice,) = compose(asked(tools=(tool,), tool_choice="=get_it"), Chance(1), Steering(), STYLE).choices

    parts = list(choice.tool_call.slices())
    assert "".join(part for part, _ in parts) == choice.tool_call.arguments
    assert sum(tokens for _, tokens in parts) == output_tokens_of(choice)
