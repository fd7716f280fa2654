"""The schema registry's Confluent API: schemas by id, immutable, so each is asked for once."""

import json

import httpx

from consumer.core.failure import Failure, Persistent, Transient


class HttpRegistry:
    """Implements `consumer.ports.Registry`."""

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(timeout=timeout, follow_redirects=True)

    @property
    def name(self) -> str:
        """The registry's base address."""
        return self._url

    def schema(self, schema_id: int) -> str:
        body = self._get(f"/schemas/ids/{schema_id}", schema_id)
        try:
            answer = json.loads(body)
            text = answer["schema"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise Transient(
                self._failure("malformed", f"the answer for schema id {schema_id} has no schema")
            ) from error
        if answer.get("schemaType", "AVRO") != "AVRO":
            raise Persistent(self._failure("not_avro", f"schema id {schema_id} is {answer['schemaType']}, not Avro"))
        return str(text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _get(self, path: str, schema_id: int) -> bytes:
        try:
            answer = self._client.get(self._url + path)
        except httpx.HTTPError as error:
            raise Transient(
                self._failure("unreachable", f"the registry did not answer ({type(error).__name__})")
            ) from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise Persistent(self._failure("unknown_id", f"the registry knows no schema id {schema_id}"))
        if answer.status_code != httpx.codes.OK:
            raise Transient(self._failure("status", f"the registry answered {answer.status_code}"))
        return answer.content

    def _failure(self, kind: str, detail: str) -> Failure:
        return Failure(
            component="registry",
            operation="get schema",
            kind=f"registry.{kind}",
            detail=detail,
            remedy="Check that registry.url leads to the registry that the producer's converter uses.",
        )
