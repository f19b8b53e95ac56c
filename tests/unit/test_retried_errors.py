"""What brokers answer to records that the Kafka client keeps sending is taken from its log."""

import inspect
import logging
from uuid import uuid4

import pytest
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.producer import sender
from aiokafka.structs import TopicPartition

from adapters.kafka import retried_errors
from adapters.kafka.retried_errors import hear_retried_errors, retried_error


def test_last_answer_is_named_for_its_topic_and_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of the client that is installed."""
    assert retried_errors._MESSAGE in inspect.getsource(sender)
    topic = f"topic-{uuid4().hex}"
    for _ in range(2):
        hear_retried_errors()
    message = f"{retried_errors._MESSAGE} %s, retrying. Error: %s"
    logging.getLogger(sender.log.name).warning(message, TopicPartition(topic, 0), NotEnoughReplicasError)
    assert retried_error(topic) == "NotEnoughReplicasError"
    assert retried_error("another") == ""
    monkeypatch.setattr(retried_errors, "_REMEMBERED_SECONDS", 0.0)
    assert retried_error(topic) == ""
