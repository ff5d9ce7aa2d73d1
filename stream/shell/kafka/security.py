"""How to reach Kafka safely: client arguments, credentials, and what to say when Kafka refuses.

The password goes from the configuration straight into the client's arguments and nowhere else.
"""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiokafka import errors

from stream.config import Kafka
from stream.errors import UserError

_CLIENT_LOG: Final = "aiokafka"


def client_arguments(kafka: Kafka) -> dict[str, Any]:
    """Arguments for any aiokafka client. Raises `UserError` when the settings can't work."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap,
        "security_protocol": kafka.security_protocol,
        "ssl_context": _ssl_context(kafka),
    }
    if kafka.security_protocol.startswith("SASL"):
        username, password = _login(kafka)
        arguments |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return arguments


def _login(kafka: Kafka) -> tuple[str, str]:
    if kafka.sasl_username is None or kafka.sasl_password is None:
        raise UserError(
            f"{kafka.security_protocol} needs a login: set kafka.sasl_username and kafka.sasl_password"
        )
    return kafka.sasl_username, kafka.sasl_password.get_secret_value()


def _ssl_context(kafka: Kafka) -> ssl.SSLContext | None:
    if not kafka.security_protocol.endswith("SSL"):
        return None
    try:
        return ssl.create_default_context(cafile=kafka.ca_file)
    except (OSError, ssl.SSLError):
        raise UserError(
            f"cannot read certificates from {kafka.ca_file}: set kafka.ca_file to a PEM file"
        ) from None


@contextmanager
def explained(kafka: Kafka) -> Iterator[None]:
    """Turn what Kafka refuses inside the block into a `UserError`; anything else passes through."""
    reasons = _Reasons()
    logger = logging.getLogger(_CLIENT_LOG)
    logger.addFilter(reasons)
    try:
        yield
    except Exception as error:
        told = reasons.last if isinstance(error, errors.KafkaConnectionError) else error
        explanation = explain(told, kafka)
        if explanation is None:
            raise
        raise explanation from None
    finally:
        logger.removeFilter(reasons)


class _Reasons(logging.Filter):
    """aiokafka logs why it could not connect and raises only that it could not."""

    def __init__(self) -> None:
        super().__init__()
        self.last: BaseException = errors.KafkaConnectionError()

    def filter(self, record: logging.LogRecord) -> bool:
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, BaseException):
                self.last = argument
                return False
        return True


def explain(error: BaseException, kafka: Kafka) -> UserError | None:
    """What a person can do about an error of the client, or None when it is not for them to mend."""
    where = kafka.bootstrap
    match error:
        case UserError():
            return error
        case ssl.SSLError():
            return UserError(f"no TLS with Kafka at {where} ({error.reason}): check kafka.ca_file and port")
        case errors.SaslAuthenticationFailed() | errors.AuthenticationFailedError():
            return UserError(
                f"Kafka at {where} refused the login of {kafka.sasl_username!r}: "
                "check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism"
            )
        case errors.UnsupportedSaslMechanismError() | errors.AuthenticationMethodNotSupported():
            return UserError(
                f"Kafka at {where} does not offer {kafka.sasl_mechanism}: "
                "set kafka.sasl_mechanism to one that it offers"
            )
        case errors.TransactionalIdAuthorizationFailed():
            ids = f"transactional ids that begin with {kafka.group}-"
            return _not_allowed(kafka, f"Write and Describe on {ids}")
        case errors.GroupAuthorizationFailedError():
            return _not_allowed(kafka, f"Read on groups that begin with {kafka.group}-")
        case errors.TopicAuthorizationFailedError():
            prefix = kafka.topic_prefix
            topics = f"topics that begin with {prefix}" if prefix else "burnline's topics"
            return _not_allowed(kafka, f"Read, Write and Describe on {topics}")
        case errors.ClusterAuthorizationFailedError():
            return _not_allowed(kafka, "Create on the cluster")
        case errors.KafkaConnectionError() | OSError() | TimeoutError():
            return UserError(
                f"cannot reach Kafka at {where} over {kafka.security_protocol}: "
                "start it, or set kafka.bootstrap and kafka.security_protocol"
            )
    return None


def _not_allowed(kafka: Kafka, what: str) -> UserError:
    who = f"{kafka.sasl_username!r}" if kafka.sasl_username else "this user"
    return UserError(f"Kafka does not let {who} work: allow {what} with an ACL")
