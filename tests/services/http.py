"""Asking a local service over HTTP."""

import json
import urllib.request

_TIMEOUT_S = 10


def answers(url: str) -> bool:
    """Whether `url` answers 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            return bool(response.status == 200)
    except OSError:  # refused, reset, timed out, or (as its subclass HTTPError) another status
        return False


def get_json(url: str) -> object:
    """What `url` answers."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        return json.load(response)


def post_json(url: str, body: object) -> None:
    """Post `body` to `url`; another status than 2xx raises `urllib.error.HTTPError`."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S):
        pass
