"""The API asked whatever its own description allows: it never fails, and answers as it says it does."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from consumer.admin.app import description, make_app
from consumer.core.roles import Role
from consumer.settings.admin import Admin
from tests.admin.conftest import TOKENS, secret
from tests.admin.scene import Shop
from tests.admin.serving import served

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
BOUNDED = settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.mark.filterwarnings("ignore")
def test_whatever_is_sent_is_answered_as_described(shop: Shop) -> None:
    """By somebody who may everything, on a group that has something of each kind."""
    letters = [shop.bad(number) for number in range(2, 5)]
    shop.job(letters[:1])
    shop.plan()
    shop.failed_batch()
    shop.worker()
    app = make_app(Admin(tokens=TOKENS), shop.doors)
    app.state.watch.look()
    schema = from_dict(description(app))
    headers = {"Authorization": f"Bearer {secret(Role.ADMIN)}"}
    asked = 0
    with served(app) as address:
        for found in schema.get_all_operations():
            operation: Any = found.ok()

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
            def ask(case: Any) -> None:
                case.call_and_validate(base_url=address, headers=headers, checks=CHECKS, timeout=30)

            ask()
            asked += 1
    assert asked > 30
