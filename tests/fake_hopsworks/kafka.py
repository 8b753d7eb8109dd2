"""Kafka: the broker mock inside librdkafka, and a copy of its topics on disk.

The mock speaks plain text only, and keeps but the last 5 MiB of a partition, in
memory. So a thread copies every message to disk as it comes, and jobs read that copy;
should the mock forget a message before it was copied, the job fails and says so.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from fastavro import parse_schema, schemaless_reader

from fake_hopsworks.schemas import arrow_schema, avro_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECURITY_PROTOCOL = "PLAINTEXT"
ANSWER_S = 10
COPY_S = 60
ROWS_PER_CHUNK = 20_000


class Topic:
    """The copy of a topic: its messages in order of arrival, and how far jobs read."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.next_offset: dict[int, int] = {}
        self.forgotten = 0
        self._content = folder / f"{name}.messages"
        self._read_to = folder / f"{name}.read"
        self._content.touch()
        self._lock = threading.Lock()
        self._end_of_reading = self._position()

    def take(self, messages: list[Message]) -> None:
        """Copy messages; those meant for the online store alone only count."""
        with self._lock, self._content.open("ab") as file:
            for message in messages:
                self._count(message)
                value = message.value()
                online = dict(message.headers() or []).get("storage") == b"online"
                if value is not None and not online:
                    file.write(struct.pack(">I", len(value)) + value)

    def _count(self, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.forgotten += offset - self.next_offset.get(partition, 0)
        self.next_offset[partition] = offset + 1

    def unread(self) -> Iterator[bytes]:
        """The messages since `mark_read` was last called."""
        with self._lock:
            self._end_of_reading = self._content.stat().st_size
        with self._content.open("rb") as file:
            file.seek(self._position())
            while file.tell() < self._end_of_reading:
                (size,) = struct.unpack(">I", file.read(4))
                yield file.read(size)

    def _position(self) -> int:
        return int(self._read_to.read_text()) if self._read_to.is_file() else 0

    def mark_read(self) -> None:
        """Count as read what `unread` last gave."""
        self._read_to.write_text(str(self._end_of_reading))


class Broker:
    """A Kafka cluster of one broker."""

    def __init__(self, folder: Path) -> None:
        mock = {"bootstrap.servers": "none", "test.mock.num.brokers": 1}
        self._producer = Producer(mock | {"log_level": 0})
        (broker,) = self._producer.list_topics(timeout=ANSWER_S).brokers.values()
        self.address = f"{broker.host}:{broker.port}"
        self._folder = folder
        self._topics: dict[str, Topic] = {}
        self._silent = socket.create_server(("127.0.0.1", 0))
        self._consumer = self._make_consumer()
        threading.Thread(target=self._copy, daemon=True).start()

    def _make_consumer(self) -> Consumer:
        settings = {
            "bootstrap.servers": self.address,
            "group.id": "copying",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
        return Consumer(settings)

    def make_topic(self, name: str) -> None:
        """Make a topic (the mock does so when first asked about it) and copy it."""
        about = self._producer.list_topics(name, timeout=ANSWER_S).topics[name]
        topic = Topic(self._folder, name)
        topic.next_offset = dict.fromkeys(about.partitions, 0)
        self._topics[name] = topic
        self._consumer.incremental_assign(
            [TopicPartition(name, each, 0) for each in about.partitions]
        )

    def _copy(self) -> None:
        while True:
            by_topic: dict[str, list[Message]] = {}
            for message in self._consumer.consume(1000, 0.1):
                name = message.topic()
                # An error names no topic; a message lost by it is missed by its offset.
                if message.error() is None and name is not None:
                    by_topic.setdefault(name, []).append(message)
            for name, messages in by_topic.items():
                self._topics[name].take(messages)

    def copy_all(self) -> None:
        """Wait until every topic is on disk."""
        for name in self._topics:
            self.topic(name)

    def address_without_answer(self) -> str:
        """An address that takes connections and says nothing."""
        return f"127.0.0.1:{self._silent.getsockname()[1]}"

    def address_that_refuses(self) -> str:
        """An address where nobody listens."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            return f"127.0.0.1:{free.getsockname()[1]}"

    def topic(self, name: str) -> Topic:
        """A topic whose copy holds all that was sent until now.

        Raises
        ------
        TimeoutError
            If the copying does not come to the end.
        ValueError
            If the mock forgot messages that were not copied yet.
        """
        topic, deadline = self._topics[name], time.monotonic() + COPY_S
        for partition in topic.next_offset:
            place = TopicPartition(name, partition)
            _, end = self._consumer.get_watermark_offsets(place, timeout=ANSWER_S)
            while topic.next_offset[partition] < end:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{name}[{partition}] was not copied in time.")
                time.sleep(0.02)
        if topic.forgotten:
            raise ValueError(f"The broker mock forgot {topic.forgotten} of {name}.")
        return topic


def rows_of(group: dict[str, Any], topic: Topic) -> pa.Table:
    """The unread messages of a feature group's topic as rows."""
    schema = arrow_schema(group)
    chunks, chunk = [schema.empty_table()], []
    for row in _decoded(group, topic.unread()):
        chunk.append(row)
        if len(chunk) == ROWS_PER_CHUNK:
            chunks.append(pa.Table.from_pylist(chunk, schema=schema))
            chunk = []
    chunks.append(pa.Table.from_pylist(chunk, schema=schema))
    return pa.concat_tables(chunks)


def _decoded(group: dict[str, Any], messages: Iterator[bytes]) -> Iterator[dict]:
    encoded = parse_schema(avro_schema(group, as_encoded=True))
    fields = {each["name"]: each["type"] for each in avro_schema(group)["fields"]}
    declared = {each["name"]: each["type"] for each in group["features"]}
    nested = {
        name: parse_schema(fields[name])
        for name, kind in declared.items()
        if kind.startswith("array<")
    }
    times = [name for name, kind in declared.items() if kind == "timestamp"]
    for message in messages:
        row = schemaless_reader(io.BytesIO(message), encoded, None)
        assert isinstance(row, dict)
        for name, schema in nested.items():
            if row[name] is not None:
                row[name] = schemaless_reader(io.BytesIO(row[name]), schema, None)
        for name in times:
            row[name] = row[name] and row[name].replace(tzinfo=None)
        yield row
