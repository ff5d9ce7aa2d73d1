"""How fine a history is, and what it therefore cannot tell."""

from typing import Final

import msgspec

from stream.schema import usage

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86_400
# So many messages are looked into, and then one in so many.
_ALL: Final = 1000
_EVERY: Final = 16
_NAMES: Final = (("month", 20 * DAY_S), ("day", 20 * HOUR_S), ("hour", 45 * MINUTE_S), ("minutes", 301))
FINE: Final = "fine"
# A tenth of the dollars in coarse rows is worth a word.
_WORTH: Final = 0.1


class Grain:
    """The spans of rows, by dollars (by rows where none has a cost)."""

    def __init__(self) -> None:
        self._seen = 0
        self.first_s: int | None = None  # when the first row began
        self._usd: dict[str, float] = {}
        self._rows: dict[str, float] = {}

    def see(self, value: bytes) -> None:
        self._seen += 1
        if self._seen > _ALL and self._seen % _EVERY:
            return
        try:
            message = usage.decode_message(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return  # in columns, or a dead letter
        estimates: list[usage.Estimate | usage.Message] = []
        if message.estimates is not msgspec.UNSET:
            estimates += message.estimates
        elif message.start >= 0:
            estimates.append(message)
        if self.first_s is None and estimates:
            self.first_s = min(one.start for one in estimates) // 1000
        for one in estimates:
            span_s = (one.end - one.start) / 1000
            name = next((name for name, least_s in _NAMES if span_s >= least_s), FINE)
            self._rows[name] = self._rows.get(name, 0.0) + 1
            if one.cost_usd != usage.MISSING:
                self._usd[name] = self._usd.get(name, 0.0) + abs(one.cost_usd)

    def shares(self) -> dict[str, float]:
        """By the length of a row: month, day, hour, minutes (5 and more), fine."""
        counted = self._usd if sum(self._usd.values()) > 0 else self._rows
        total = sum(counted.values())
        return {name: counted[name] / total for name in counted} if total else {}

    def caveats(self) -> list[str]:
        """What cannot be told from it, a sentence or two a length of rows."""
        shares = self.shares()
        return [
            f"{share:.0%} of the dollars come in rows of {_ROWS[name]}: {_CANNOT[name]}"
            for name, _ in _NAMES
            if (share := shares.get(name, 0.0)) >= _WORTH
        ]


_ROWS: Final = {
    "month": "a month",
    "day": "a day",
    "hour": "an hour",
    "minutes": "more than 5 minutes",
}
_CANNOT: Final = {
    "month": "they say nothing of when the money was spent. Export by the hour, if your provider can.",
    "day": "a runaway of ten minutes or two hours cannot be seen in them, only what makes a whole day dear."
    " Each day is spread evenly and judged at its end, so a time above is the end of a day. Live usage would"
    " tell sooner, and of more; how much, these rows cannot say.",
    "hour": "a runaway of ten minutes is flattened to a sixth of its height, and what happens within the hour"
    " (step, growth) cannot be seen. Times are right to the hour. Live usage would tell sooner, and of more.",
    "minutes": "what is shorter is flattened; times are right to the length of a row.",
}
