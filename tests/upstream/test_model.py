"""Origins: what a base URL names."""

import pytest

from bursar.upstream import Origin


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "authority"),
    [
        ("https://api.openai.com/v1", Origin("https", "api.openai.com", 443), "/v1", "api.openai.com"),
        ("https://API.openai.com/v1/", Origin("https", "api.openai.com", 443), "/v1", "api.openai.com"),
        ("http://localhost:8000", Origin("http", "localhost", 8000), "", "localhost:8000"),
        ("http://localhost:80/", Origin("http", "localhost", 80), "", "localhost"),
        ("https://localhost:80/", Origin("https", "localhost", 80), "", "localhost:80"),
        ("http://[::1]:9/a/b", Origin("http", "::1", 9), "/a/b", "[::1]:9"),
        ("https://bücher.example", Origin("https", "xn--bcher-kva.example", 443), "", "xn--bcher-kva.example"),
    ],
)
def test_base_url(url, origin, prefix, authority):
    """A base URL is split into an origin, in canonical spelling, and a path prefix without trailing slash."""
    assert Origin.parse(url) == (origin, prefix)
    assert origin.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com",
        "//x",
        "ftp://x",
        "https:///v1",
        "https://x/?a=b",
        "https://x/#a",
        "https://x:99999",
        "https://.",
    ],
)
def test_bad_base_url(url):
    """What is not an absolute http(s) URL, or ends in a query or fragment, is refused."""
    with pytest.raises(ValueError):
        Origin.parse(url)


def test_credentials_in_a_base_url():
    """Credentials are refused, and not repeated."""
    with pytest.raises(ValueError, match="carries credentials") as refusal:
        Origin.parse("https://user:hunter2@x/v1")

    assert "hunter2" not in str(refusal.value)
