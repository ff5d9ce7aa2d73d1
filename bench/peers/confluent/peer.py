"""The limit of a reader on librdkafka: `consume`, and nothing done with the messages."""

import sys

from confluent_kafka import Consumer, TopicPartition

from bench.peers.counting import Counting

BATCH = 10_000


def main(bootstrap: str, usage: str, sums: str, group: str, messages: str, folder: str) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "queued.min.messages": 100_000,
            "queued.max.messages.kbytes": 65_536,
            # With the default of a second the reader idles two thirds of the time.
            "fetch.queue.backoff.ms": 2,
        }
    )
    count = 0
    counting = Counting(lambda: count)
    partitions = consumer.list_topics(usage).topics[usage].partitions
    consumer.assign([TopicPartition(usage, partition, 0) for partition in partitions])
    while count < int(messages):
        count += len(consumer.consume(BATCH, 0.2))
    counting.done()
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
