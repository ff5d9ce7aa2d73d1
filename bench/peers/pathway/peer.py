"""Pathway doing the meter's sums: an engine in Rust, told in Python what to do.

It reads to where the topic ends now, and no code of ours sees a message, but for the count. Nothing is kept
for a restart, and no bucket is ever let go.
"""

import sys
from typing import Any

import pathway as pw

from bench.peers.counting import Counting

# The engine tells how much it has taken only at a commit, tens of thousands of messages apart. On the way one
# of so many is shown to Python, to know when the first was taken.
ONE_OF = 32


class Usage(pw.Schema):
    start: int
    cost_usd: str
    team: str
    namespace: str
    service: str


IN_LABELS = {name: f"/labels/{name}" for name in ("team", "namespace", "service")}


def main(bootstrap: str, usage: str, sums: str, group: str, messages: str, folder: str) -> None:
    committed = shown = 0

    def counted(key: Any, row: dict[str, int], time: int, is_addition: bool) -> None:
        nonlocal committed
        if is_addition:
            committed = row["estimates"]

    def show(nusd: int) -> int:
        nonlocal shown
        shown += ONE_OF
        return nusd

    priced = pw.io.kafka.read(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": "2",
        },
        topic=usage,
        schema=Usage,
        format="json",
        json_field_paths=IN_LABELS,
        mode="static",
    ).select(
        team="team=" + pw.this.team,
        service="service=" + pw.this.namespace + "/" + pw.this.service,
        bucket=pw.this.start // 10_000 * 10_000,
        nusd=pw.cast(int, pw.this.cost_usd.str.parse_float() * 1e9 + 0.5),
    )
    # A service has one team, so teams are sums of services.
    services = priced.groupby(pw.this.service, pw.this.team, pw.this.bucket).reduce(
        scope=pw.this.service,
        team=pw.this.team,
        bucket=pw.this.bucket,
        nusd=pw.reducers.sum(pw.this.nusd),
        estimates=pw.reducers.count(),
    )
    teams = services.groupby(pw.this.team, pw.this.bucket).reduce(
        scope=pw.this.team, bucket=pw.this.bucket, nusd=pw.reducers.sum(pw.this.nusd)
    )
    rows = pw.Table.concat_reindex(services.without("team", "estimates"), teams)
    pw.io.kafka.write(rows, {"bootstrap.servers": bootstrap}, sums, format="json")
    pw.io.subscribe(services.reduce(estimates=pw.reducers.sum(pw.this.estimates)), counted)
    sample = priced.filter(pw.this.nusd % ONE_OF == 0)
    pw.io.null.write(sample.select(nusd=pw.apply(show, pw.this.nusd)))
    counting = Counting(lambda: max(committed, min(shown, int(messages) - 1)))
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    shown = 0
    counting.done()


if __name__ == "__main__":
    main(*sys.argv[1:])
