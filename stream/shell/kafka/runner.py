"""A process that runs services until it is asked to stop or one of them fails, and says how it went."""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any, Final, NoReturn

import uvloop

from stream.config import Config, Kafka
from stream.errors import Poisoned
from stream.shell.kafka import topics
from stream.shell.kafka.logs import quiet_libraries
from stream.shell.kafka.security import explain

FAILED: Final = 1

# A clean stop is one last commit, well under a second. Supervisors kill after 10 s (Docker) or 30 s.
STOP_LIMIT_S: Final = 5.0

_log = logging.getLogger(__name__)


def run(config: Config, build: Callable[[], Any]) -> None:
    """Verify the topics, start the mode service that `build` returns, and block until it ends.

    SIGTERM and SIGINT stop it with a last commit. Raises `UserError` when a person must mend something,
    and `SystemExit(FAILED)`, with the reason logged in one sentence, when a supervisor should start it
    again.
    """
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    quiet_libraries()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        reason = runner.run(_serve(config.kafka, build))
    if reason is not None:
        _tell(reason, config.kafka)


async def _serve(kafka: Kafka, build: Callable[[], Any]) -> BaseException | None:
    await topics.verify(kafka)
    service = build()
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    ended = asyncio.create_task(_ended(service))
    stop = asyncio.create_task(asked.wait())
    await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
    failure = ended.exception() if ended.done() else None
    late = await _stop(service)
    ended.cancel()
    stop.cancel()
    return failure or service.crash_reason or late


async def _stop(service: Any) -> BaseException | None:
    stopping = asyncio.create_task(service.stop())
    await asyncio.wait((stopping,), timeout=STOP_LIMIT_S)
    if not stopping.done():
        return Poisoned(f"the last commit was not done within {STOP_LIMIT_S:.0f} s")
    # Without a broker, aiokafka's consumer lets the cancellation of its own task out of `stop`.
    return None if stopping.cancelled() else stopping.exception()


async def _ended(service: Any) -> None:
    await service.start()
    await service.wait_until_stopped()


def _tell(reason: BaseException, kafka: Kafka) -> NoReturn:
    if isinstance(reason, Poisoned):
        _log.error("%s; this process ends, and the next start reads the truth from Kafka", reason)
        raise SystemExit(FAILED)
    explanation = explain(reason, kafka)
    if explanation is not None:
        raise explanation
    _log.error("a bug ended this process", exc_info=reason)
    raise SystemExit(FAILED)
