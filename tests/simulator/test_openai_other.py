"""OpenAI's other endpoints and Azure's paths of the simulator, through the official client."""

import io
import json
import wave

import openai
import pytest

from support.simulator import RunningSimulator


@pytest.fixture
def client(provider: RunningSimulator):
    """The official client, without retries."""
    with openai.OpenAI(base_url=f"{provider.base_url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


def recording(seconds: int) -> bytes:
    """A silent WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(1)
        opened.setframerate(8000)
        opened.writeframes(bytes(8000 * seconds))
    return buffer.getvalue()


def test_response(client: openai.OpenAI, provider: RunningSimulator):
    """A whole response carries text and the usage that the account holds, reasoning among the output."""
    response = client.responses.create(model="gpt-5-mini", input="What should we do next?")

    entry = provider.last()
    assert response.output_text
    assert response.usage.output_tokens_details.reasoning_tokens == entry.quantities["output_reasoning"]
    assert entry.usage == response.usage.model_dump(exclude_none=True)


def test_response_stream(client: openai.OpenAI, provider: RunningSimulator):
    """A response's events number themselves, and the last one is the whole response."""
    events = list(client.responses.create(model="gpt-4.1", input="What should we do next?", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.total_tokens == provider.last().usage["total_tokens"]
    spoken = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert spoken == events[-1].response.output_text


def test_response_cut(client: openai.OpenAI):
    """A response that is too long is incomplete and says why."""
    response = client.responses.create(model="gpt-4.1", input="What should we do next?", max_output_tokens=16)

    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_response_tool(client: openai.OpenAI):
    """A forced function is called with arguments that fit its schema."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "name": "get_weather", "parameters": schema, "strict": True}
    response = client.responses.create(model="gpt-4.1", input="Go", tools=[tool], tool_choice="required")

    (call,) = response.output
    assert (call.name, set(json.loads(call.arguments))) == ("get_weather", {"city"})


def test_json_schema(client: openai.OpenAI):
    """A structured answer is parsed by the client's own parser."""
    schema = {
        "type": "object",
        "properties": {"score": {"type": "number", "minimum": 0, "maximum": 1}, "label": {"enum": ["a", "b"]}},
        "required": ["score", "label"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Rate it"}],
        response_format={"type": "json_schema", "json_schema": {"name": "rating", "schema": schema, "strict": True}},
    )

    found = json.loads(answer.choices[0].message.content)
    assert 0 <= found["score"] <= 1
    assert found["label"] in ("a", "b")


def test_automatic_cache(client: openai.OpenAI):
    """A long prefix that was seen before is read in steps of 128; GPT-5.6 is charged for what it writes."""
    prompt = "The quick brown fox jumps over the lazy dog. " * 200
    usages = [
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": prompt}]).usage
        for model in ("gpt-4o", "gpt-4o", "gpt-5.6-sol")
    ]

    cached = len(prompt) // 4 // 128 * 128
    assert [usage.prompt_tokens_details.cached_tokens for usage in usages] == [0, cached, 0]
    assert [usage.prompt_tokens_details.cache_write_tokens for usage in usages] == [None, None, cached]


def test_completion(client: openai.OpenAI, provider: RunningSimulator):
    """Text completions answer each prompt, sixteen tokens long unless told otherwise."""
    answer = client.completions.create(model="babbage-002", prompt=["one", "two"])

    assert len(answer.choices) == 2
    assert answer.usage.completion_tokens == 32
    assert provider.last().usage == answer.usage.model_dump(exclude_none=True)


def test_embeddings(client: openai.OpenAI, provider: RunningSimulator):
    """Each input becomes a unit vector of the size asked for; the same text gives the same vector."""
    answer = client.embeddings.create(model="text-embedding-3-small", input=["same", "same", "other"], dimensions=8)

    vectors = [one.embedding for one in answer.data]
    assert vectors[0] == vectors[1] != vectors[2]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-5)
    assert answer.usage.prompt_tokens == provider.last().quantities["input_text"] == 4


def test_image(client: openai.OpenAI, provider: RunningSimulator):
    """An image of GPT Image is billed in image tokens, one of DALL-E by the piece."""
    drawn = client.images.generate(model="gpt-image-1", prompt="a fox", quality="low", n=2)
    client.images.generate(model="dall-e-3", prompt="a fox")

    assert drawn.usage.output_tokens == 2 * 272
    assert [entry.quantities for entry in provider.entries(2)] == [
        {"input_text": 2, "output_image": 544},
        {"images": 1},
    ]


def test_image_edit(client: openai.OpenAI, provider: RunningSimulator):
    """An edited image's input counts as image tokens."""
    client.images.edit(model="gpt-image-1", image=("in.png", b"\x89PNG"), prompt="a red fox")

    assert provider.last().quantities["input_image"] == 323


@pytest.mark.parametrize(
    ("model", "expected"),
    [("whisper-1", {"input_audio_ms": 3000}), ("gpt-4o-transcribe", {"input_audio": 30, "output_text": 12})],
)
def test_transcription(client: openai.OpenAI, provider: RunningSimulator, model: str, expected: dict[str, int]):
    """Whisper is billed by the second, its successors in tokens, and both say so."""
    answer = client.audio.transcriptions.create(model=model, file=("speech.wav", recording(3)))

    assert answer.text
    assert provider.last().quantities == expected
    assert provider.last().usage_sent


def test_speech(client: openai.OpenAI, provider: RunningSimulator):
    """Speech is billed by the character or in tokens, and the bytes do not say so."""
    client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there")
    client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Hello there")

    assert [entry.quantities for entry in provider.entries(2)] == [
        {"characters": 11},
        {"input_text": 3, "output_audio": 10},
    ]
    assert not provider.last(2).usage_sent


def test_moderation_is_free(client: openai.OpenAI, provider: RunningSimulator):
    """Moderations cost nothing."""
    answer = client.moderations.create(input="Hello there")

    assert not answer.results[0].flagged
    assert not provider.last().billed


def test_azure(provider: RunningSimulator):
    """Azure's client reaches the same endpoints through a deployment."""
    with openai.AzureOpenAI(
        azure_endpoint=provider.base_url, api_version="2025-04-01-preview", api_key="key", max_retries=0
    ) as client:
        answer = client.chat.completions.create(model="my-deployment", messages=[{"role": "user", "content": "Go"}])

    entry = provider.last()
    assert answer.choices[0].message.content
    assert (entry.dialect, entry.credential) == ("azure", "key")


def test_models(client: openai.OpenAI):
    """The model list is OpenAI's without Anthropic's version header."""
    assert "gpt-4o-mini" in {model.id for model in client.models.list()}
