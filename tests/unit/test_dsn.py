"""Connection strings that are none are refused before anybody is asked, and never repeated."""

import pytest

from consumer.core.failure import Refused
from consumer.edges.postgres.session import SessionSettings, connect

SECRET = "canary-2217"


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        pytest.param(f"nonsense {SECRET}", "neither a URL nor a list", id="words"),
        pytest.param(f"postgresql://u:{SECRET}@[::1/x", "neither a URL nor a list", id="an address that does not end"),
        pytest.param(f"host=a pasword={SECRET}", "neither a URL nor a list", id="a keyword that is none"),
        pytest.param(f"postgresql://u:{SECRET}@127.0.0.1:notaport/x", "its port is no number", id="no port"),
    ],
)
def test_what_is_no_connection_string_is_for_a_person(dsn: str, said: str) -> None:
    """Time would not heal it."""
    with pytest.raises(Refused) as caught:
        connect(SessionSettings(dsn=dsn, worker="w"))
    assert caught.value.failure.kind == "worker.settings"
    assert said in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert SECRET not in str(caught.value.failure)
