"""A Prometheus server."""

from collections.abc import Sequence
from pathlib import Path

from tests.services.http import answers
from tests.services.ports import free_ports
from tests.services.service import Service, program


class PrometheusServer(Service):
    """Prometheus with its own storage.

    Args:
        directory: for its data, configuration and log.
        configuration: the text of its configuration file; relative paths in it start at `directory`.
        port: where it listens; a free port unless given.
    """

    name = "prometheus"

    def __init__(self, directory: Path, configuration: str, port: int | None = None) -> None:
        super().__init__(directory)
        self.port = port or free_ports(1)[0]
        self._configuration = directory / "prometheus.yml"
        self._configuration.write_text(configuration)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [
            program("prometheus"),
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def is_ready(self) -> bool:
        return answers(f"{self.url}/-/ready")
