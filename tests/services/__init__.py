"""The real services that tests run against, each started for them on free loopback ports."""

from tests.services.alertmanager import AlertmanagerServer
from tests.services.kafka import KafkaServer
from tests.services.ports import free_ports
from tests.services.prometheus import PrometheusServer
from tests.services.service import Service, ServiceFailed

__all__ = [
    "AlertmanagerServer",
    "KafkaServer",
    "PrometheusServer",
    "Service",
    "ServiceFailed",
    "free_ports",
]
