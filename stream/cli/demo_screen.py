"""What the demo shows: the burn rate climbing, the scopes beyond normal, and the page."""

from collections import deque
from typing import Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Column, Table
from rich.text import Text

from stream.alerts import text
from stream.burn.figures import Figures
from stream.notify import page
from stream.schema.alerts import Alert, Severity, State
from stream.serve.replica import Replica

BARS: Final = " ▁▂▃▄▅▆▇█"
WIDTH: Final = 60
ROWS: Final = 6


class Screen:
    """Renders itself; `step` moves it on by one look at the replica."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._burn: deque[float] = deque(maxlen=WIDTH)
        self._figures: list[Figures] = []
        self._page: Alert | None = None
        self._lines: deque[str] = deque(maxlen=4)
        self._at_ms = 0

    def tell(self, alert: Alert) -> None:
        if alert.severity == Severity.PAGE and alert.state in (State.FIRING, State.ESCALATED):
            self._page = alert
        self._lines.append(
            f"{text.clock(alert.time_s)} {alert.severity.upper()} {alert.state}: {alert.summary}"
        )

    def step(self, at_ms: int) -> str:
        """Look again; returns the look as one line, for those without a terminal."""
        self._at_ms = at_ms
        (burn,) = self._replica.burns()
        self._figures = burn.figures()
        total = next(one for one in self._figures if one.scope == "total")
        now_s = burn.evaluated_s
        rate = burn.windows.spent_nusd("total", now_s - 60, now_s) / 1e9 * 60
        self._burn.append(rate)
        normal = total.baseline_usd_per_hour or 0.0
        times = text.ratio(rate, normal)
        return f"{text.clock(now_s)}  total {text.usd(rate)}/h, normally {text.usd(normal)}/h {times}"

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._headline(), self._table()]
        if self._page is not None:
            parts.append(_shown(self._page))
        else:
            parts += [Text(line, style="yellow") for line in self._lines]
        return Group(*parts)

    def _headline(self) -> Text:
        total = next((one for one in self._figures if one.scope == "total"), None)
        if total is None or not self._burn:
            return Text("…")
        rate, normal = self._burn[-1], total.baseline_usd_per_hour or 0.0
        low, high = min([*self._burn, normal]), max([*self._burn, normal])
        span = max(high - low, 1e-9)
        bars = "".join(BARS[1 + int((value - low) / span * (len(BARS) - 2))] for value in self._burn)
        hot = rate > 1.5 * normal
        line = Text()
        line.append(f"{text.clock(self._at_ms // 1000)}  ", style="dim")
        line.append(f"{text.usd(rate)}/h", style="bold red" if hot else "bold green")
        line.append(f"  normally {text.usd(normal)}/h {text.ratio(rate, normal)}\n")
        return line.append(bars, style="red" if hot else "green")

    def _table(self) -> Table:
        (burn,) = self._replica.burns()
        now_s = burn.evaluated_s
        table = Table(
            "scope", "last minute", "normally", "", "last 5 min beyond normal", box=None, header_style="dim"
        )
        for column in table.columns[1:]:
            column.justify = "right"
        rows = []
        for one in self._figures:
            if one.scope.startswith("billing=") or one.baseline_usd_per_hour is None:
                continue
            rate = burn.windows.spent_nusd(one.scope, now_s - 60, now_s) / 1e9 * 60
            rows.append((rate - one.baseline_usd_per_hour, rate, one))
        for excess, rate, one in sorted(rows, key=lambda row: -row[0])[:ROWS]:
            normal = one.baseline_usd_per_hour or 0.0
            beyond = (one.burn_usd_per_hour.get(300, normal) - normal) / 12
            style = "red" if excess > max(3.0, normal) else ""
            table.add_row(one.scope, f"{text.usd(rate)}/h", f"{text.usd(normal)}/h", text.ratio(rate, normal),
                          text.usd(beyond), style=style)  # fmt: skip
        return table


def closing(alert: Alert, replica: Replica) -> RenderableType:
    """The page in full, and that nothing was lost."""
    (counters,) = replica.counters()
    (burn,) = replica.burns()
    spent = burn.windows.spent_nusd(alert.scope, alert.onset_s, replica.now_s)
    expected = burn.expected_usd(alert.scope, alert.onset_s, replica.now_s) or 0.0
    lines = (
        f"\n{text.usd_of(spent - round(expected * text.NANO))} beyond normal until now. "
        f"{counters.sent_events:,} estimates sent = {counters.accepted_events:,} accepted + "
        f"{counters.duplicate_events:,} duplicate + {counters.rejected_events:,} rejected."
    )
    return Group(_shown(alert), Text(lines))


def _shown(alert: Alert) -> RenderableType:
    """The page, each fact within its column however narrow the terminal is."""
    table = Table(Column(no_wrap=True), Column(overflow="fold"), box=None, show_header=False, pad_edge=False)
    for name, value in page.rows(alert):
        table.add_row(Text(name), Text(value))
    return Panel(Group(Text(page.title(alert)), "", table), title="the page", border_style="red")
