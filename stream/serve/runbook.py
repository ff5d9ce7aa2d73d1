"""Runbooks, one a detector: as they are, or with the commands for the very labels of one alert."""

import re
from pathlib import Path
from typing import Final

from aiohttp import web

from stream.notify.page import title
from stream.notify.words import line, short
from stream.schema.alerts import Alert
from stream.serve import questions, told
from stream.serve.answers import refusal
from stream.serve.replica import Replica

# Read once, so that no name in a request ever becomes a path.
RUNBOOKS: Final = {
    path.stem: path.read_text(encoding="utf-8")
    for path in sorted(Path(__file__).with_name("runbooks").glob("*.md"))
}
_CONTAIN: Final = re.compile(r"^## Contain\n", re.MULTILINE)
_HEADERS: Final = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}
_BACK_S: Final = 14 * 86_400  # how long after its last word an alert is still found


class Runbooks:
    """`GET /runbooks/{name}`, with `?alert=KEY` for one alert."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    async def show(self, request: web.Request) -> web.Response:
        """As plain text: Markdown reads well as it is, and can be copied into a terminal."""
        questions.check_parameters(request, ("alert",))
        name, wanted = request.match_info["name"], request.query.get("alert", "")
        if name not in RUNBOOKS:
            raise refusal(web.HTTPNotFound, f"there is no runbook {name!r}; there are {', '.join(RUNBOOKS)}")
        text = RUNBOOKS[name]
        if wanted:
            alerts = told.known(self._replica, self._replica.now_s - _BACK_S)
            text = opened(text, told.latest(alerts, wanted), wanted)
        return web.Response(text=text, content_type="text/plain", charset="utf-8", headers=_HEADERS)


def opened(runbook: str, alert: Alert | None, wanted: str) -> str:
    """The runbook for one alert, whose commands come first under "Contain"."""
    if alert is None:
        return f"(No alert {short(wanted)!r} was told of late: this is the runbook for all.)\n\n{runbook}"
    told = f"{commands(alert)}\nFor other scopes and drivers:\n" if alert.steps else ""
    return f"({title(alert)})\n\n" + _CONTAIN.sub(lambda heading: heading[0] + told, runbook, count=1)


def commands(alert: Alert) -> str:
    """Every way to contain an alert, as Markdown."""
    part = "" if alert.steps_of == alert.scope else ", its largest part"
    lines = ["", f"For {short(alert.steps_of)}{part}, the most fitting first.", ""]
    for step in alert.steps:
        missing = f" No label names its {' or '.join(step.missing)}: fill that in." if step.missing else ""
        lines += [f"**{line(step.what[:1].upper() + step.what[1:])}** (`{step.id}`).{missing}", ""]
        if step.before:
            lines += [f"    {step.before}", "", "shows what `<before>` is, to go back to. Then:", ""]
        lines += [f"    {step.run}", "", "Undo it:", "", f"    {step.undo}", ""]
    return "\n".join(lines)
