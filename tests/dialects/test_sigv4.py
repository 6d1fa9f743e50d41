"""Signing for Bedrock, against botocore's own entry point."""

import calendar
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bursar.dialects.sigv4 import AwsCredentials, sign

HOST = "https://bedrock-runtime.eu-west-1.amazonaws.com"
SIGNING_TIME_US = 1_795_000_000_000_000


@pytest.mark.parametrize("token", [None, "session"])
@pytest.mark.parametrize(
    "path",
    [
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse-stream",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx/invoke?a=1",
    ],
)
def test_sign(path: str, token: str | None) -> None:
    """The signature is the one botocore makes at the same second."""
    reference = AWSRequest("POST", HOST + path, headers={"content-type": "application/json"}, data=b"{}")
    SigV4Auth(Credentials("AKID", "secret", token), "bedrock", "eu-west-1").add_auth(reference)
    signed_at = calendar.timegm(time.strptime(reference.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))

    headers = sign(
        AwsCredentials("AKID", "secret", token),
        method="POST",
        url=HOST + path,
        headers={"content-type": "application/json"},
        body=b"{}",
        region="eu-west-1",
        now_us=signed_at * 1_000_000,
    )

    assert dict(reference.headers.items()) == headers


def signature(**changed: object) -> str:
    given: dict[str, object] = {
        "method": "POST",
        "url": HOST + "/model/m/converse",
        "headers": {"content-type": "application/json"},
        "body": b"{}",
        "region": "eu-west-1",
        "now_us": SIGNING_TIME_US,
    }
    return sign(AwsCredentials("AKID", "secret"), **given | changed)["Authorization"]


def test_sign_pure() -> None:
    """The same inputs give the same signature."""
    assert signature() == signature()


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "GET"},
        {"url": HOST + "/model/m/invoke"},
        {"body": b"{ }"},
        {"headers": {}},
        {"region": "us-east-1"},
        {"now_us": SIGNING_TIME_US + 1_000_000},
    ],
)
def test_sign_covers(changed: dict[str, object]) -> None:
    """Every part of a request is under the signature."""
    assert signature() != signature(**changed)
