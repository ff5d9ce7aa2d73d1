"""A process that plays messages into a database, a commit a batch, and says so after each.

    python -m tests.embedded.player DATABASE MESSAGES resume|again

`resume` goes on behind the last message that was committed, as a consumer does; `again` starts with the
first one, as a replay of a file does, and leaves it to the sequences to drop what is known.
"""

import json
import sys
from decimal import Decimal
from pathlib import Path

from stream.config import Budget, Config
from stream.schema import topics
from stream.shell.embedded.database import Database
from stream.shell.embedded.node import Node

BATCH = 5
CONFIG = Config.model_validate({"budgets": [Budget(scope="total", monthly_usd=Decimal(1000)).model_dump()]})


def play(path: Path, messages: Path, again: bool) -> None:
    database = Database(path)
    node = Node(CONFIG, database)
    lines = [json.loads(line) for line in messages.read_text().splitlines()]
    first = 0 if again else database.position("meter", topics.USAGE)
    print("ready", flush=True)
    for at in range(first, len(lines), BATCH):
        batch = lines[at : at + BATCH]
        node.usage([line["value"].encode() for line in batch], [line["at_ms"] for line in batch])
        node.commit(batch[-1]["at_ms"])
        print(at, flush=True)
    database.close()


if __name__ == "__main__":
    play(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "again")
