"""A stage whose batches are worked through by a Faust agent: burn.

The agent reads a channel in memory, which a consumer group of our own fills (`service.StageService`).
Faust's own consumer is not used. It works in a second thread, throws away what it had fetched when a
rebalance comes, and goes back only to committed offsets: under kills and rebalances it lost records now
and then, which a first version of this module has shown.
"""

from typing import Any, Final

import faust
from faust.app.base import BootStrategy

from stream.burn.people import TOPICS
from stream.burn.stage import Burn
from stream.config import Kafka
from stream.shell.kafka.informed import InformedService
from stream.shell.kafka.partition import Hooks, Kind, OwnedPartition
from stream.stage import Batch, Stage

# Batches, not records: enough to keep the agent busy while the next ones are fetched.
_QUEUE: Final = 16


class _WithoutKafka(BootStrategy):
    enable_kafka = False


class App(faust.App):
    """A Faust app that runs agents, timers and services, and leaves Kafka to us."""

    BootStrategy = _WithoutKafka

    async def on_first_start(self) -> None:
        """Faust makes directories for tables here; there are none."""

    async def on_start(self) -> None:
        await super().on_start()
        self.flow_control.resume()  # Faust's consumer would do it


def heed(stage: Stage, topic: str, value: bytes) -> None:
    """Tell a burn stage what it is to know beside `spend`."""
    if isinstance(stage, Burn):
        stage.heed(topic, value)


def build_app(kafka: Kafka) -> Any:
    """An app to add agents and services to. It never connects to Kafka itself."""
    return App(kafka.group, web_enabled=False, autodiscover=False)


class AgentService(InformedService):
    """Runs one burn stage per owned partition, its batches taken by an agent of `app`; each is told what
    people ask for."""

    def __init__(self, app: Any, kafka: Kafka, kind: Kind, hooks: Hooks) -> None:
        super().__init__(kafka, kind, hooks, told=TOPICS, tell=heed)
        self._channel = app.channel(maxsize=_QUEUE)
        app.agent(self._channel, name=kind.name, concurrency=1)(self._work)
        app.service(self)

    async def hand(self, work: list[tuple[OwnedPartition, Batch]]) -> None:
        # With the partition they were fetched for: if that is given up meanwhile, it takes no more, and
        # whoever owns the partition next reads them again.
        for pair in work:
            await self._channel.send(value=pair)

    async def _work(self, stream: Any) -> None:
        async for owned, batch in stream:
            try:
                owned.take(batch)
            except Exception as error:  # Faust would start the agent again after the batch that failed
                await self.crash(error)
