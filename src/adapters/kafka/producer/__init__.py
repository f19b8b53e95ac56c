"""The producer: sends records in batches, through a client that is replaced when it fails."""

from adapters.kafka.producer.client_replacement import BATCH_BYTES
from adapters.kafka.producer.producer import Producer, PublishOutcome, Refused
from adapters.kafka.producer.record_batches import ProducerRecord

__all__ = ["BATCH_BYTES", "Producer", "ProducerRecord", "PublishOutcome", "Refused"]
