"""An Alertmanager server."""

from collections.abc import Sequence
from pathlib import Path

from tests.services.http import answers
from tests.services.ports import free_ports
from tests.services.service import Service, program


class AlertmanagerServer(Service):
    """Alertmanager alone, without a cluster.

    Args:
        directory: for its data, configuration and log.
        configuration: the text of its configuration file.
    """

    name = "alertmanager"

    def __init__(self, directory: Path, configuration: str) -> None:
        super().__init__(directory)
        [self.port] = free_ports(1)
        self._configuration = directory / "alertmanager.yml"
        self._configuration.write_text(configuration)

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return [
            program("prometheus-alertmanager"),
            f"--config.file={self._configuration}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]

    def is_ready(self) -> bool:
        return answers(f"{self.url}/-/ready")
