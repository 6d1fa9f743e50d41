"""The LiteLLM client library against the gateway: three providers, whole, streamed, asynchronous, with an error."""

import asyncio
import json
import os
import sys

import litellm

URL, KEY = os.environ["BURSAR_URL"], os.environ["BURSAR_KEY"]
ASK = [{"role": "user", "content": "How do I reconcile an invoice?"}]
MODELS = {
    "openai": ("openai/gpt-4o-mini", f"{URL}/v1"),
    "anthropic": ("anthropic/claude-haiku-4-5-20251001", URL),
    "gemini": ("gemini/gemini-2.5-flash", f"{URL}/gemini/v1beta"),
}


def main() -> None:
    said: dict[str, object] = {}
    for name, (model, base) in MODELS.items():
        settings = {
            "model": model,
            "api_base": base,
            "api_key": KEY,
            "messages": ASK,
            "max_retries": 0,
            "extra_headers": {"x-bursar-feature": "litellm"},
        }
        whole = litellm.completion(**settings)
        chunks = list(litellm.completion(**settings, stream=True))
        later = asyncio.run(litellm.acompletion(**settings))
        said[name] = {
            "text": bool(whole.choices[0].message.content),
            "streamed": bool("".join(chunk.choices[0].delta.content or "" for chunk in chunks)),
            "async": bool(later.choices[0].message.content),
        }
    try:
        litellm.completion(model="openai/gpt-4o-mini", api_base=f"{URL}/v1", api_key="wrong", messages=ASK)
    except litellm.AuthenticationError as refused:
        said["wrong key"] = "virtual key" in str(refused)
    json.dump(said, sys.stdout)


main()
