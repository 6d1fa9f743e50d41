"""LangChain's three chat models against the gateway: whole, streamed, with a tool, with a schema."""

import json
import os
import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

URL, KEY = os.environ["BURSAR_URL"], os.environ["BURSAR_KEY"]
TAGS = {"x-bursar-feature": "langchain"}


class Invoice(BaseModel):
    """An invoice."""

    number: str
    total: float


@tool
def get_weather(city: str) -> str:
    """Return the current weather of a city."""
    return f"12 degrees in {city}"


def main() -> None:
    models = {
        "openai": ChatOpenAI(
            model="gpt-4o-mini", base_url=f"{URL}/v1", api_key=SecretStr(KEY), default_headers=TAGS, max_retries=0
        ),
        "anthropic": ChatAnthropic(
            model="claude-haiku-4-5-20251001", base_url=URL, api_key=SecretStr(KEY), default_headers=TAGS, max_retries=0
        ),
        "google": ChatGoogleGenerativeAI(
            model="gemini-2.5-flash", base_url=f"{URL}/gemini", api_key=SecretStr(KEY), additional_headers=TAGS
        ),
    }
    said = {}
    for name, model in models.items():
        whole = model.invoke("How do I reconcile an invoice?")
        chunks = [chunk.text for chunk in model.stream("How do I reconcile an invoice?")]
        asked = model.bind_tools([get_weather]).invoke("What is the weather in Oslo?")
        made = model.with_structured_output(Invoice).invoke("Make an invoice")
        said[name] = {
            "text": bool(whole.text),
            "usage": whole.usage_metadata["total_tokens"] > 0,
            "streamed": bool("".join(chunks)),
            "tool": asked.tool_calls[0]["name"],
            "made": type(made).__name__,
        }
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=f"{URL}/v1", api_key=SecretStr(KEY), check_embedding_ctx_length=False
    )
    said["embeddings"] = len(embeddings.embed_documents(["one", "two"]))
    json.dump(said, sys.stdout)


main()
