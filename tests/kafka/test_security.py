"""Kafka with TLS, a login and ACLs; each refusal is one sentence that says what to do, and no secret."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from stream.config import Kafka
from stream.errors import UserError
from stream.shell.kafka import topics
from stream.shell.kafka.security import client_arguments
from stream.shell.kafka.topics import full_name
from tests.kafka.conftest import Log
from tests.kafka.toy import Worker
from tests.services import KafkaServer, free_ports

PASSWORD = "correct-horse"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def certificate(directory: Path) -> Path:
    """A key store for 127.0.0.1, and its certificate, which is returned, for clients to trust."""
    common = ["keytool", "-keystore", str(directory / "key.p12"), "-storepass", "keystore", "-alias", "kafka"]
    subprocess.run(
        [*common, "-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    file = directory / "ca.pem"
    subprocess.run([*common, "-exportcert", "-rfc", "-file", str(file)], check=True, capture_output=True)
    return file


async def allow(bootstrap: str, principal: str) -> None:
    """Everything on every topic and group."""
    topic, group, literal, every_operation, allowed = 2, 3, 3, 2, 3  # as in Kafka's protocol
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    for resource in (topic, group):
        wanted = CreateAclsRequest(resource, "*", literal, principal, "*", every_operation, allowed)
        await admin._send_to_controller(wanted)
    await admin.close()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that wants TLS and a login. `admin` may do everything; `meter` all but transactions."""
    directory = tmp_path_factory.mktemp("secured")
    ca_file = certificate(directory)
    plain, controller, secure = free_ports(3)
    settings = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},"
        f"SASL_SSL://127.0.0.1:{secure}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{_PLAIN} user_admin="{PASSWORD}" '
        f'user_meter="{PASSWORD}";',
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(directory / "key.p12"),
        "ssl.keystore.password": "keystore",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
    }
    with KafkaServer(directory, settings):
        asyncio.run(allow(f"127.0.0.1:{plain}", "User:meter"))
        yield Kafka.model_validate(
            {
                "bootstrap": f"127.0.0.1:{secure}",
                "security_protocol": "SASL_SSL",
                "sasl_username": "admin",
                "sasl_password": PASSWORD,
                "ca_file": ca_file,
                "usage_partitions": 2,
                "spend_partitions": 2,
                "commit_every_s": 0.2,
                "session_timeout_s": 2,
            }
        )


def changed(kafka: Kafka, **values: object) -> Kafka:
    return Kafka.model_validate(kafka.model_dump() | values)


async def test_both_stages_work_over_tls_with_a_login(secured: Kafka, tmp_path: Path) -> None:
    kafka = changed(secured, topic_prefix="works.", group="works")
    await topics.create(kafka)
    log, worker = Log(kafka), Worker(kafka, tmp_path / "log")
    await log.send(100)
    await log.check()
    await log.close()
    assert worker.terminate() == 0


async def test_a_wrong_password_is_one_sentence_without_the_password(secured: Kafka) -> None:
    with pytest.raises(UserError, match=r"refused the login of 'admin'.*kafka\.sasl_password") as refused:
        await topics.verify(changed(secured, sasl_password="battery-staple"))
    assert "battery-staple" not in str(refused.value)


async def test_a_certificate_that_nobody_vouches_for_is_one_sentence(secured: Kafka) -> None:
    with pytest.raises(UserError, match=r"no TLS with Kafka.*kafka\.ca_file"):
        await topics.verify(changed(secured, ca_file=None))


async def test_plaintext_to_a_tls_port_says_what_to_set(secured: Kafka) -> None:
    with pytest.raises(UserError, match=r"over PLAINTEXT.*kafka\.security_protocol"):
        await topics.verify(changed(secured, security_protocol="PLAINTEXT"))


async def test_a_user_who_may_not_write_transactions_is_told_which_acl(
    secured: Kafka, tmp_path: Path
) -> None:
    kafka = changed(secured, topic_prefix="acl.", group="acl")
    await topics.create(kafka)
    worker = Worker(changed(kafka, sasl_username="meter"), tmp_path / "log")
    assert await worker.wait() == 2
    said = (tmp_path / "log").read_text()
    assert "allow Write and Describe on transactional ids that begin with acl-" in said
    assert "Traceback" not in said and PASSWORD not in said


async def test_a_worker_without_a_broker_ends_with_status_2_and_one_sentence(tmp_path: Path) -> None:
    [port] = free_ports(1)
    worker = Worker(Kafka(bootstrap=f"127.0.0.1:{port}"), tmp_path / "log")
    assert await worker.wait() == 2
    [line] = (tmp_path / "log").read_text().splitlines()
    assert "cannot reach Kafka" in line


def test_a_login_that_is_missing_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"set kafka\.sasl_username and kafka\.sasl_password"):
        client_arguments(Kafka(security_protocol="SASL_SSL"))


def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.pem.*kafka\.ca_file"):
        client_arguments(Kafka(security_protocol="SSL", ca_file=tmp_path / "none.pem"))


def test_no_password_shows_in_the_settings() -> None:
    kafka = Kafka.model_validate({"sasl_username": "u", "sasl_password": PASSWORD})
    assert PASSWORD not in repr(kafka) + str(kafka.model_dump())


def test_a_topics_full_name_begins_with_the_prefix() -> None:
    assert full_name(Kafka(topic_prefix="eu."), "usage") == "eu.usage"
