"""The registry as `headrace doctor` asks about it, by the Confluent API."""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from consumer.core.classify import of_status
from consumer.core.failure import Failure, Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges.registry_http import RegistryHttp, Unanswered, language
from consumer.ports.examining import Latest


class RegistryExamining:
    """Implements `consumer.ports.examining.RegistryExaminer`; for any thread."""

    def __init__(self, http: RegistryHttp) -> None:
        self._http = http
        self._rule: str | None = None

    @property
    def name(self) -> str:
        """As `HttpRegistry.name` says it of plain ids."""
        return self._http.url

    def subjects(self) -> int:
        """A base that leads elsewhere is not taken for an empty registry."""
        found = self._asked("/subjects")
        if not isinstance(found, list):
            raise Transient(_failure("registry.status", "registry.url does not lead to the base of a Confluent API"))
        return len(found)

    def latest(self, subject: str) -> Latest | None:
        found = self._asked(f"/subjects/{quote(subject, safe='')}/versions/latest")
        if not isinstance(found, dict) or "schema" not in found:
            return None
        return Latest(schema=str(found["schema"]), compatibility=self._compatibility(subject), format=language(found))

    def find(self, number: int) -> str:
        found = self._asked(f"/schemas/ids/{number}")
        if not isinstance(found, dict) or "schema" not in found:
            raise Persistent(_failure("record.schema_unknown", f"the registry knows no schema id {number}"))
        return str(found["schema"])

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _compatibility(self, subject: str) -> str:
        own = self._asked(f"/config/{quote(subject, safe='')}")
        if isinstance(own, dict) and (said := _rule(own)):
            return said
        if self._rule is None:
            general = self._asked("/config")
            self._rule = _rule(general) if isinstance(general, dict) else ""
        return self._rule

    def _asked(self, path: str) -> Any:
        """An answer as JSON; None where there is nothing. Raises Transient."""
        try:
            return json.loads(self._http.get(self._http.url + path))
        except Unanswered as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            kind = of_status(error.status).name
            raise Transient(_failure(kind, f"the registry answered {error.status}", str(error.status))) from error
        except ValueError as error:
            raise Transient(_failure("registry.status", "the registry's answer is no JSON")) from error


def _rule(config: dict[str, Any]) -> str:
    return str(config.get("compatibilityLevel") or config.get("compatibility") or "")


def _failure(kind: str, detail: str, code: str = "") -> Failure:
    return failed(KINDS[kind], "registry", "examine", detail, code=code)
