"""A one-node Kafka broker."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.ports import free_ports
from tests.services.service import Service, ServiceFailed, program

_LIBRARIES = Path(__file__).parents[2] / ".local" / "kafka" / "libs"
# Any 16 bytes in URL-safe base64 name a cluster.
_CLUSTER_ID = "burnline-tests-kafka-A"
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.showDateTime=true")


class KafkaServer(Service):
    """Kafka as broker and controller in one (KRaft), with transactions, without automatic topic creation.

    `kill` or `stop` followed by `start` brings the same data back on the same port.

    Args:
        directory: for its data, configuration and log.
        settings: broker settings that are added to, or replace, those below.
    """

    name = "kafka"

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(directory)
        if not _LIBRARIES.is_dir():
            raise ServiceFailed("Kafka is not in .local/kafka: run `deploy/prepare services`")
        self.port, controller_port = free_ports(2)
        self._configuration = directory / "server.properties"
        chosen = self._settings(controller_port) | dict(settings or {})
        self._configuration.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()))
        self._format()

    @property
    def bootstrap(self) -> str:
        """The `host:port` that clients connect to."""
        return f"127.0.0.1:{self.port}"

    def _settings(self, controller_port: int) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "false",
            # One node holds the only copy; few partitions of the internal topics start and recover faster.
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A test does not wait for members that might still come, and sees a dead one soon.
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # After a kill, the controller lets the broker back only when its former session has expired.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }

    def _java(self, *arguments: str) -> list[str]:
        return [program("java"), *_JVM, "-cp", f"{_LIBRARIES}/*", *arguments]

    def _format(self) -> None:
        done = subprocess.run(
            self._java(
                "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", str(self._configuration)
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServiceFailed(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        return self._java("kafka.Kafka", str(self._configuration))

    def is_ready(self) -> bool:
        # Logged once the broker is unfenced; its port accepts connections earlier.
        return "Kafka Server started" in self.log_since_start()
