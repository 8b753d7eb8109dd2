"""Kafka: the broker mock inside librdkafka, and the reading of a topic by a job.

The mock speaks plain text only and keeps its topics in memory: what no job has
materialized is lost when the cluster stops.
"""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from fastavro import parse_schema, schemaless_reader

from fake_hopsworks.schemas import arrow_schema, avro_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

SECURITY_PROTOCOL = "PLAINTEXT"
ANSWER_S = 10


class Broker:
    """A Kafka cluster of one broker, and how far each topic has been read."""

    def __init__(self) -> None:
        mock = {"bootstrap.servers": "none", "test.mock.num.brokers": 1}
        self._producer = Producer(mock | {"log_level": 0})
        (broker,) = self._producer.list_topics(timeout=ANSWER_S).brokers.values()
        self.address = f"{broker.host}:{broker.port}"
        self._read: dict[tuple[str, int], int] = {}
        self._dead = socket.create_server(("127.0.0.1", 0))

    def make_topic(self, name: str) -> None:
        """Make a topic; the mock does so when first asked about it."""
        self._producer.list_topics(name, timeout=ANSWER_S)

    def address_without_answer(self) -> str:
        """An address that takes connections and says nothing."""
        return f"127.0.0.1:{self._dead.getsockname()[1]}"

    def address_that_refuses(self) -> str:
        """An address where nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            return f"127.0.0.1:{free.getsockname()[1]}"

    def unread_rows(self, group: dict[str, Any]) -> pa.Table:
        """The rows of a feature group's topic that no job has read."""
        encoded = parse_schema(avro_schema(group, as_encoded=True))
        found = [
            self._decoded(group, encoded, message)
            for message in self._unread(group["onlineTopicName"])
        ]
        return pa.Table.from_pylist(found, schema=arrow_schema(group))

    def _decoded(self, group: dict[str, Any], schema: Any, value: bytes) -> dict:
        row = schemaless_reader(io.BytesIO(value), schema, None)
        assert isinstance(row, dict)
        for feature in group["features"]:
            content = row[feature["name"]]
            if feature["type"].startswith("array<") and content is not None:
                (whole,) = [
                    each["type"]
                    for each in avro_schema(group)["fields"]
                    if each["name"] == feature["name"]
                ]
                nested = parse_schema(whole)
                row[feature["name"]] = schemaless_reader(
                    io.BytesIO(content), nested, None
                )
            elif feature["type"] == "timestamp" and content is not None:
                row[feature["name"]] = content.replace(tzinfo=None)
        return row

    def _unread(self, topic: str) -> Iterator[bytes]:
        settings = {"bootstrap.servers": self.address, "group.id": "materialization"}
        consumer = Consumer(settings | {"log_level": 0, "enable.auto.commit": False})
        try:
            parts = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
            for partition in sorted(parts.partitions):
                yield from self._unread_part(consumer, topic, partition)
        finally:
            consumer.close()

    def _unread_part(
        self, consumer: Consumer, topic: str, partition: int
    ) -> Iterator[bytes]:
        place = TopicPartition(topic, partition)
        _, end = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        position = self._read.get((topic, partition), 0)
        consumer.assign([TopicPartition(topic, partition, position)])
        while position < end:
            message = consumer.poll(ANSWER_S)
            if message is None:
                raise TimeoutError(f"{topic}[{partition}] gave no message in time.")
            if message.error():
                raise KafkaException(message.error())
            position = message.offset() + 1
            headers = dict(message.headers() or [])
            if headers.get("storage") != b"online":
                yield message.value()
        self._read[topic, partition] = position
