"""The OpenAI Agents SDK against the gateway: an agent with a tool, over both of OpenAI's APIs, whole and streamed."""

import asyncio
import json
import os
import sys

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_default_openai_client,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

URL, KEY = os.environ["BURSAR_URL"], os.environ["BURSAR_KEY"]


@function_tool
def get_weather(city: str) -> str:
    """Return the current weather of a city."""
    return f"12 degrees in {city}"


async def main() -> None:
    client = AsyncOpenAI(
        base_url=f"{URL}/v1", api_key=KEY, default_headers={"x-bursar-feature": "agents"}, max_retries=0
    )
    set_default_openai_client(client, use_for_tracing=False)
    set_tracing_disabled(True)
    models = {"responses": "gpt-4o-mini", "chat": OpenAIChatCompletionsModel("gpt-4o-mini", client)}
    said = {}
    for name, model in models.items():
        agent = Agent(name="Weather", model=model, tools=[get_weather])
        answer = await Runner.run(agent, "What is the weather in Oslo?")
        streamed = Runner.run_streamed(agent, "What is the weather in Oslo?")
        events = [event.type async for event in streamed.stream_events()]
        said[name] = {
            "text": bool(answer.final_output),
            "streamed": bool(streamed.final_output),
            "events": "raw_response_event" in events,
            "requests": answer.context_wrapper.usage.requests,
        }
    json.dump(said, sys.stdout)


asyncio.run(main())
