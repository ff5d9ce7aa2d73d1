"""burnline's commands as people run them, watched from outside: CPU, memory, what they say."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.services import Service, free_ports

BURNLINE: Final = Path(sys.executable).parent / "burnline"
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


class Process(Service):
    """`burnline NAME` with a configuration; it is up when its log holds `ready`."""

    def __init__(
        self, directory: Path, name: str, settings: Mapping[str, object], ready: str, patience_s: float = 120
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.start_timeout_s = patience_s  # type: ignore[misc]
        super().__init__(directory / name)
        names = ("ingest", "serve", "metrics")
        self.ports = dict(zip(names, free_ports(3), strict=True))
        ports = {section: {"port": port} for section, port in self.ports.items()}
        self._file = self.directory / "burnline.yaml"
        self._file.write_text(json.dumps(dict(settings) | ports))  # JSON is YAML
        self._ready = ready

    def command(self) -> Sequence[str]:
        return [str(BURNLINE), self.name, "--config", str(self._file)]

    def is_ready(self) -> bool:
        return self._ready in self.log_since_start()

    def cpu_s(self) -> float:
        """User and system time of all threads since its start."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S

    def memory_bytes(self, field: str) -> int:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
