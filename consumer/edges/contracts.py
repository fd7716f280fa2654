"""Contracts from their files."""

import json
from pathlib import Path

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from consumer.core.contract import Compatibility, Contract
from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS


def read_contract(file: Path, compatibility: Compatibility) -> Contract:
    """The contract in a file. Raises Refused where there is none that can be kept to."""
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
        fastavro.parse_schema(schema)
    except OSError as error:
        raise _refused(file, f"can't be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, SchemaParseException, UnknownType) as error:
        raise _refused(file, f"is no Avro schema in JSON ({type(error).__name__})") from error
    if not isinstance(schema, dict) or schema.get("type") != "record" or not schema.get("fields"):
        raise _refused(file, "is no record with fields")
    return Contract(name=str(file), schema=schema, compatibility=compatibility)


def _refused(file: Path, what: str) -> Refused:
    detail = f"the contract {file} {what}"
    remedy = "Name an .avsc file with the schema of the topic's row, or of its envelope, as topics.<topic>.contract."
    return Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
