"""Waits until the dust has settled, then reads everything anew and judges it."""

import asyncio

from tests.chaos.cluster import Pipeline
from tests.chaos.feed import Progress, settled
from tests.chaos.observe import Reader, observe
from tests.chaos.oracle import expect
from tests.chaos.reference import calm
from tests.chaos.verdict import Verdict, judge


async def conclude(pipeline: Pipeline, progress: Progress, verdict: Verdict, limit_s: float) -> int:
    """Add all findings to `verdict`; returns how many estimates were accepted."""
    done = await settled(pipeline, progress, limit_s)
    verdict.add("settled", 1, [] if done else [f"not everything arrived within {limit_s:.0f} s"])
    async with Reader(pipeline.config) as reader:
        log = await reader.log()
    observed = await observe(pipeline.config)
    # In threads, since other pipelines talk through the proxy, which must not stand still meanwhile.
    expected = await asyncio.to_thread(expect, log)
    right = await asyncio.to_thread(calm, pipeline.config, log)
    await asyncio.to_thread(judge, verdict, expected, observed, right, pipeline.inbox.received, log)
    return expected.counters_total("accepted_events")
