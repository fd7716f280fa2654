"""How the shop's connector takes signals, as the page about replays has it."""


def signals(kafka: str) -> dict[str, str]:
    """By a topic and by a table; `kafka`: where the topic is."""
    return {
        "signal.enabled.channels": "source,kafka",
        "signal.kafka.topic": "shop-signal",
        "signal.kafka.bootstrap.servers": kafka,
        "signal.data.collection": "public.debezium_signals",
    }
