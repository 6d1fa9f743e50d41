"""A request that lacks tags, as the official clients raise it: the right exception, and what to do about it."""

from collections.abc import Iterator

import boto3
import botocore.exceptions
import pytest
from anthropic import Anthropic
from anthropic import BadRequestError as AnthropicBadRequest
from botocore.config import Config
from google import genai
from google.genai.errors import ClientError
from openai import BadRequestError, OpenAI

from support.gateway import GatewayThread
from support.simulator import RunningSimulator

KEY = "vk-strict"
ASK = [{"role": "user", "content": "hello"}]
MESSAGE = (
    "This request is not tagged as required. environment may not be 'qa': send x-bursar-environment, one of "
    "production, staging (asked for by [tags]); feature is missing: send x-bursar-feature, of the pattern [a-z-]+ "
    "(asked for by [[tag_rules]] 'search')."
)
RULES = """
[tags]
allowed = { environment = ["production", "staging"] }
on_missing = "reject"
[[tag_rules]]
name = "search"
match = { team = "search" }
required = ["feature"]
patterns = { feature = "[a-z-]+" }
[[keys]]
name = "strict"
key = "env:VIRTUAL_KEY"
team = "search"
tags = { environment = "qa" }
"""


@pytest.fixture(scope="module")
def strict(provider: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayThread]:
    """A gateway that asks for tags."""
    config = [RULES]
    for name, suffix in (("openai", "/v1"), ("anthropic", ""), ("gemini", ""), ("bedrock", "")):
        config.append(
            f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider.base_url}{suffix}"\n'
            'api_key = "env:PROVIDER_KEY"\n'
        )
    environ = {"VIRTUAL_KEY": KEY, "PROVIDER_KEY": "sk-provider"}
    with GatewayThread("\n".join(config), tmp_path_factory.mktemp("strict"), environ=environ) as running:
        yield running


def test_openai(strict: GatewayThread) -> None:
    """OpenAI's client raises BadRequestError; with the tags the same client goes through."""
    with OpenAI(base_url=f"{strict.url}/v1", api_key=KEY, max_retries=0) as client:
        with pytest.raises(BadRequestError) as raised:
            client.chat.completions.create(model="gpt-5-mini", messages=ASK)
        tagged = client.with_options(
            default_headers={"x-bursar-feature": "answers", "x-bursar-environment": "production"}
        )
        answer = tagged.chat.completions.create(model="gpt-5-mini", messages=ASK)

    assert ("missing_tags", MESSAGE) == (raised.value.code, raised.value.body["message"])
    assert answer.choices


def test_anthropic(strict: GatewayThread) -> None:
    """Anthropic's client raises BadRequestError."""
    with (
        Anthropic(base_url=strict.url, api_key=KEY, max_retries=0) as client,
        pytest.raises(AnthropicBadRequest) as raised,
    ):
        client.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ASK)

    assert MESSAGE in raised.value.message
    assert "invalid_request_error" == raised.value.body["error"]["type"]


def test_gemini(strict: GatewayThread) -> None:
    """Google's client raises ClientError with the status of a bad request."""
    client = genai.Client(api_key=KEY, http_options={"base_url": f"{strict.url}/gemini"})
    with pytest.raises(ClientError) as raised:
        client.models.generate_content(model="gemini-2.5-flash", contents="hello")
    client.close()

    assert (400, "INVALID_ARGUMENT", MESSAGE) == (raised.value.code, raised.value.status, raised.value.message)


def test_bedrock(strict: GatewayThread) -> None:
    """The AWS SDK raises its modelled ValidationException."""
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=f"{strict.url}/bedrock",
        aws_access_key_id=KEY,
        aws_secret_access_key="unused",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(client.exceptions.ValidationException) as raised:
        client.converse(modelId="anthropic.claude-haiku-4-5", messages=[{"role": "user", "content": [{"text": "hi"}]}])
    client.close()

    assert isinstance(raised.value, botocore.exceptions.ClientError)
    assert MESSAGE == raised.value.response["Error"]["Message"]
