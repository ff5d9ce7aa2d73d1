"""`deploys`: what changed in the estate, in plain JSON, as CloudEvents, or as other tools say it."""

from stream.schema.deploys.reading import UNREADABLE, decode
from stream.schema.deploys.record import CONTEXT, Deploy, encode

__all__ = ["CONTEXT", "UNREADABLE", "Deploy", "decode", "encode"]
