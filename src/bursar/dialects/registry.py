"""Which dialect speaks which name of the configuration."""

from bursar.config import DialectName
from bursar.dialects.anthropic import Anthropic
from bursar.dialects.azure import Azure
from bursar.dialects.base import Dialect
from bursar.dialects.bedrock import Bedrock
from bursar.dialects.flavours import FLAVOURS
from bursar.dialects.gemini import Gemini
from bursar.dialects.openai import OpenAI


def dialect_for(name: DialectName) -> Dialect:
    """The dialect that providers of this name speak."""
    match name:
        case "azure":
            return Azure()
        case "anthropic":
            return Anthropic()
        case "gemini":
            return Gemini()
        case "bedrock":
            return Bedrock()
        case _:
            return OpenAI(FLAVOURS[name])
