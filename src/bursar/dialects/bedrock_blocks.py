"""What reaches past a request to Bedrock: media, documents in S3, guardrails, and what a model family takes beside.

Converse blocks are known by the name of their only member (botocore, service model of bedrock-runtime, ContentBlock).
The bodies of InvokeModel are each family's own, so that there every field that can carry media is taken to.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Raw, Struct

from bursar.dialects.fields import document, is_set, mapping, objects, whole
from bursar.dialects.reach import Most, Reach, Survey
from bursar.usage import Meter

_ADDED_TOKENS: Final = 640
"""Allowance for chat templates and the instructions that come with tools; Claude's are the longest known
(`anthropic_blocks`)."""

_TEXT_BLOCKS: Final = frozenset(
    {"text", "toolUse", "reasoningContent", "cachePoint", "citationsContent", "searchResult", "json"}
)
_MODELS_OWN: Final = frozenset({"thinking", "reasoning_config", "top_k", "inferenceConfig", "anthropic_beta"})
"""Members of ``additionalModelRequestFields`` that neither add input nor raise the output cap."""

_MEDIA: Final = frozenset(
    {
        "image",
        "images",
        "inputImage",
        "image_url",
        "bytes",
        "video",
        "audio",
        "document",
        "documents",
        "s3Location",
        "mediaSource",
        "uri",
    }
)


class Reaching(Struct, rename="camel"):
    """The fields of a Converse request that decide how far it reaches."""

    messages: Raw = Raw()
    system: Raw = Raw()
    tool_config: Raw = Raw()
    guardrail_config: Raw = Raw()
    prompt_variables: Raw = Raw()
    performance_config: Raw = Raw()
    additional_model_request_fields: Raw = Raw()


def converse_reach(asked: Reaching) -> Reach:
    """The reach of a Converse request."""
    survey = Survey()
    for message in objects(document(asked.messages)) if asked.messages else ():
        _survey_blocks(message.get("content"), survey)
    if asked.system:
        _survey_blocks(document(asked.system), survey)
    for tool in objects(mapping(document(asked.tool_config)).get("tools")) if asked.tool_config else ():
        if not {"toolSpec", "cachePoint"}.issuperset(tool):
            survey.cannot_bound(f"nothing in the request limits what the tool {next(iter(tool))[:40]} costs")
    if is_set(asked.guardrail_config):
        survey.cannot_bound("guardrails are charged by the text they look at, which is not metered")
    if is_set(asked.prompt_variables):
        survey.opens("a stored prompt")
    if asked.performance_config:
        latency = mapping(document(asked.performance_config)).get("latency")
        survey.asks("latency", str(latency))
    _survey_own_fields(document(asked.additional_model_request_fields), survey)
    return survey.reach(added_input=_ADDED_TOKENS)


def _survey_own_fields(own: object, survey: Survey) -> None:
    for name in mapping(own):
        if name not in _MODELS_OWN:
            survey.cannot_bound(f"what additionalModelRequestFields.{name[:40]} may cost is not known")


def invocation_reach(body: Mapping[str, Any], *, answers: int) -> Reach:
    """The reach of an InvokeModel body of a family other than Claude's."""
    survey = Survey()
    pending: list[object] = [body]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for name in _MEDIA.intersection(value):
                survey.opens(f"the field {name}")
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return survey.reach(added_input=_ADDED_TOKENS, answers=answers, instead=_images(body))


def _images(body: Mapping[str, Any]) -> Most:
    """Images that are drawn, or embedded, by models that are charged by the image."""
    drawn = whole(mapping(body.get("imageGenerationConfig")).get("numberOfImages")) or 1
    return ((int(Meter.IMAGES), drawn + ("inputImage" in body)),)


def _survey_blocks(blocks: object, survey: Survey) -> None:
    for block in objects(blocks):
        for name, value in block.items():
            source = mapping(mapping(value).get("source"))
            if name == "image":
                survey.image(source.get("bytes"))
            elif name == "guardContent" and "image" in mapping(value):
                survey.image(mapping(mapping(mapping(value)["image"]).get("source")).get("bytes"))
            elif name == "toolResult":
                _survey_blocks(mapping(value).get("content"), survey)
            elif name not in _TEXT_BLOCKS and name != "guardContent":
                survey.opens(f"a {name[:40]} block")
