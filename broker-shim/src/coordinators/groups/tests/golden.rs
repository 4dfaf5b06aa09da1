//! Replay of what Kafka 2.2.0 and 4.3.1 wrote.
