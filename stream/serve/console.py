"""The console: one page that a pager's link opens.

The console asks the API for everything and needs nothing else.
"""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

from aiohttp import web

_PAGE: Final = Path(__file__).with_name("console.html").read_text(encoding="utf-8")


def _hashes(tag: str) -> str:
    """The inline elements by hash: nothing that a scope's name might smuggle in could ever run."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", _PAGE, re.DOTALL)
    digests = (hashlib.sha256(inner.encode()).digest() for inner in found)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


POLICY: Final = (
    f"default-src 'none'; script-src {_hashes('script')}; style-src {_hashes('style')}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def page(request: web.Request) -> web.Response:
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(text=_PAGE, content_type="text/html", headers=headers)
