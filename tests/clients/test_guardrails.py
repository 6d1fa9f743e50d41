"""Every refusal of a guardrail, in every dialect, as the official client raises it."""

from collections.abc import Callable, Iterator

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from google import genai
from google.genai import errors
from openai import AzureOpenAI, OpenAI

from bursar.errors import CountersUnavailable
from support.books import PROVIDER_KEY
from support.gateway import GatewayThread
from support.simulator import RunningSimulator

ASK = [{"role": "user", "content": "How do I reconcile an invoice?"}]
GPT, CLAUDE, GEMINI, NOVA = "gpt-4o-mini", "claude-haiku-4-5-20251001", "gemini-2.5-flash", "amazon.nova-lite-v1:0"

RULES = {
    "budget_exceeded": '[[budgets]]\nname = "team-month"\nmatch = {key = "K"}\nlimit_usd = "0.000001"\n',
    "rate_limited": '[[limits]]\nname = "calm"\nmatch = {key = "K"}\ntokens_per_minute = 1\n',
    "concurrency_limited": '[[limits]]\nname = "single"\nmatch = {key = "K"}\nconcurrency = 1\n',
    "input_too_large": '[[limits]]\nname = "short"\nmatch = {key = "K"}\nmax_input_tokens = 1\n',
    "output_too_large": (
        '[[limits]]\nname = "terse"\nmatch = {key = "K"}\nmax_output_tokens = 1\noutput_action = "refuse"\n'
    ),
    "cost_ceiling": '[[limits]]\nname = "cheap"\nmatch = {key = "K"}\nmax_cost_per_request_usd = "0.000001"\n',
    "budget_unavailable": '[[budgets]]\nname = "unreachable"\nmatch = {key = "K"}\nlimit_usd = "1"\n',
}
"""The refusal and the rule that leads to it, for the key of the same name."""

NAMED = {
    "budget_exceeded": "Budget 'team-month' has no room: limit \\$0.000001, spent \\$0.00, reserved \\$0.00",
    "rate_limited": "Limit 'calm' allows 1 tokens a minute",
    "concurrency_limited": "Limit 'single' allows 1 requests at once",
    "input_too_large": "limit 'short' allows 1",
    "output_too_large": "limit 'terse' allows 1",
    "cost_ceiling": "limit 'cheap' allows \\$0.000001",
    "budget_unavailable": r"Budget \\?'unreachable\\?' cannot be checked",
}

STATUS = {
    "budget_exceeded": 402,
    "rate_limited": 429,
    "concurrency_limited": 429,
    "input_too_large": 413,
    "output_too_large": 400,
    "cost_ceiling": 402,
    "budget_unavailable": 503,
}

OPENAI = {
    400: openai.BadRequestError,
    402: openai.APIStatusError,
    413: openai.APIStatusError,
    429: openai.RateLimitError,
    503: openai.InternalServerError,
}
ANTHROPIC = {
    400: anthropic.BadRequestError,
    402: anthropic.APIStatusError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    503: anthropic.InternalServerError,
}
BEDROCK = {
    400: "ValidationException",
    402: "ServiceQuotaExceededException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


class Unreachable:
    """Counters that cannot be reached for one budget, and that have no room for a second request of another rule."""

    trouble = None

    def __init__(self, counters) -> None:
        self._counters = counters

    def reserve(self, hold):
        if any("unreachable" in account.name for account in hold.accounts):
            raise CountersUnavailable("the store is down")
        if any("single" in account.name or "calm" in account.name for account in hold.accounts):
            self._counters.reserve(type(hold)("taken", hold.at_us, hold.accounts, tuple(1 for _ in hold.accounts)))
        return self._counters.reserve(hold)

    def settle(self, hold, amounts):
        self._counters.settle(hold, amounts)

    def beat(self, *, at_us):
        self._counters.beat(at_us=at_us)

    def close(self):
        self._counters.close()


@pytest.fixture(scope="module")
def guarded(provider: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayThread]:
    """A gateway with one key for each rule."""
    config = []
    environ = {"PROVIDER_KEY": PROVIDER_KEY}
    for name, base in (("openai", "/v1"), ("anthropic", ""), ("gemini", ""), ("azure", ""), ("bedrock", "")):
        region = 'region = "us-east-1"\n' if name == "bedrock" else ""
        config.append(
            f'[[providers]]\nname = "{name}"\ndialect = "{name}"\nbase_url = "{provider.base_url}{base}"\n'
            f'api_key = "env:PROVIDER_KEY"\n{region}'
        )
    for code, rule in RULES.items():
        environ[f"VK_{code}"] = f"vk-{code}"
        config.append(f'[[keys]]\nname = "{code}"\nkey = "env:VK_{code}"\n')
        config.append(rule.replace('"K"', f'"{code}"'))
    with GatewayThread("\n".join(config), tmp_path_factory.mktemp("guarded"), environ=environ) as running:
        running.gateway.counters = Unreachable(running.gateway.counters)
        yield running


def by_openai(url: str, key: str) -> None:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        client.chat.completions.create(model=GPT, messages=ASK, max_tokens=100)


def by_openai_responses(url: str, key: str) -> None:
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        client.responses.create(model=GPT, input=ASK[0]["content"], max_output_tokens=100)


def by_azure(url: str, key: str) -> None:
    with AzureOpenAI(
        azure_endpoint=f"{url}/azure", api_key=key, api_version="2025-04-01-preview", max_retries=0
    ) as client:
        client.chat.completions.create(model=GPT, messages=ASK, max_tokens=100)


def by_anthropic(url: str, key: str) -> None:
    with anthropic.Anthropic(base_url=f"{url}/anthropic", api_key=key, max_retries=0) as client:
        client.messages.create(model=CLAUDE, messages=ASK, max_tokens=100)


@pytest.mark.parametrize("code", sorted(RULES))
@pytest.mark.parametrize("ask", [by_openai, by_openai_responses, by_azure])
def test_openai(guarded: GatewayThread, code: str, ask: Callable[[str, str], None]) -> None:
    """OpenAI's and Azure's clients raise the status's own exception, with the code and the rule's name."""
    with pytest.raises(OPENAI[STATUS[code]], match=NAMED[code]) as caught:
        ask(guarded.url, f"vk-{code}")

    assert (STATUS[code], code) == (caught.value.status_code, caught.value.code)


@pytest.mark.parametrize("code", sorted(RULES))
def test_anthropic(guarded: GatewayThread, code: str) -> None:
    """Anthropic's client raises the status's own exception, with the rule's name."""
    with pytest.raises(ANTHROPIC[STATUS[code]], match=NAMED[code]) as caught:
        by_anthropic(guarded.url, f"vk-{code}")

    assert STATUS[code] == caught.value.status_code


@pytest.mark.parametrize("code", sorted(RULES))
def test_gemini(guarded: GatewayThread, code: str) -> None:
    """Google's client raises a client error, or a server error for 503, with the rule's name."""
    expected = errors.ServerError if STATUS[code] == 503 else errors.ClientError
    with (
        genai.Client(api_key=f"vk-{code}", http_options={"base_url": f"{guarded.url}/gemini"}) as client,
        pytest.raises(expected, match=NAMED[code]) as caught,
    ):
        client.models.generate_content(model=GEMINI, contents=ASK[0]["content"], config={"max_output_tokens": 100})

    assert STATUS[code] == caught.value.code


@pytest.mark.parametrize("code", sorted(RULES))
def test_bedrock(guarded: GatewayThread, code: str) -> None:
    """AWS's client raises the modelled exception, with the rule's name."""
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{guarded.url}/bedrock",
        region_name="us-east-1",
        aws_access_key_id=f"vk-{code}",
        aws_secret_access_key="unused",
        config=Config(retries={"total_max_attempts": 1}),
    )
    said = [{"role": "user", "content": [{"text": ASK[0]["content"]}]}]
    with pytest.raises(ClientError, match=NAMED[code]) as caught:
        client.converse(modelId=NOVA, messages=said, inferenceConfig={"maxTokens": 100})
    client.close()

    assert BEDROCK[STATUS[code]] == caught.value.response["Error"]["Code"]
    assert isinstance(caught.value, getattr(client.exceptions, BEDROCK[STATUS[code]]))
