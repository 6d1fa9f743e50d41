"""Pydantic AI's agents against the gateway, with a tool, a typed output, and a stream."""

import asyncio
import json
import os
import sys

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL, KEY = os.environ["BURSAR_URL"], os.environ["BURSAR_KEY"]
SETTINGS = {"extra_headers": {"x-bursar-feature": "pydantic-ai"}}


class Invoice(BaseModel):
    """An invoice."""

    number: str
    total: float


async def main() -> None:
    openai = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
    models = {
        "chat": OpenAIChatModel("gpt-4o-mini", provider=openai),
        "responses": OpenAIResponsesModel("gpt-4o-mini", provider=openai),
        "anthropic": AnthropicModel("claude-haiku-4-5-20251001", provider=AnthropicProvider(base_url=URL, api_key=KEY)),
        "google": GoogleModel("gemini-2.5-flash", provider=GoogleProvider(base_url=f"{URL}/gemini", api_key=KEY)),
    }
    said = {}
    for name, model in models.items():
        agent = Agent(model, model_settings=SETTINGS)

        @agent.tool_plain
        def get_weather(city: str) -> str:
            """Return the current weather of a city."""
            return f"12 degrees in {city}"

        answer = await agent.run("What is the weather in Oslo?")
        made = await Agent(model, output_type=Invoice, model_settings=SETTINGS).run("Make an invoice")
        async with Agent(model, model_settings=SETTINGS).run_stream("How do I reconcile an invoice?") as stream:
            streamed = await stream.get_output()
        said[name] = {
            "requests": answer.usage.requests,
            "text": bool(answer.output),
            "made": type(made.output).__name__,
            "streamed": bool(streamed),
        }
    json.dump(said, sys.stdout)


asyncio.run(main())
