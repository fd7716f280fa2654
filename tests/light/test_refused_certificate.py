"""A broker that refuses our certificate: TLS 1.3 tells it as a lost connection, and we tell it for what it is."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from consumer.core.failure import Transient
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from tests.security.authority import Authority, Credential


@contextmanager
def door(server: Credential, trusted: Path) -> Iterator[str]:
    """Lets in whoever has a certificate of an authority, and then says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with suppress(OSError):
                while True:
                    taken, _ = listening.accept()
                    with suppress(OSError), context.wrap_socket(taken, server_side=True) as inside:
                        inside.recv(1)

        threading.Thread(target=greet, daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.provokes("kafka.tls")
@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_a_certificate_of_ours_that_is_refused_is_told(tmp_path: Path, who: str) -> None:
    """With its kind and the TLS library's words, in the place of a lost connection."""
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    stranger = others.sign("stranger")
    client = {"security.protocol": "SSL", "ssl.ca.location": str(ours.certificates)}
    if who != "nobody":
        client |= {"ssl.certificate.location": str(stranger.certificate), "ssl.key.location": str(stranger.key)}
    with door(ours.sign("server"), ours.certificates) as broker:
        settings = KafkaSettings(bootstrap_servers=broker, group="g", topics=("t",), client=client, request_timeout=3)
        with pytest.raises(Transient) as refused:
            KafkaOffsets(settings).matching()
    assert refused.value.failure.kind == "kafka.tls"
    assert "alert" in refused.value.failure.detail
    assert "ssl.certificate.location" in refused.value.failure.remedy
