"""The JSON Schema of a configuration, for editors that complete and check while one types."""

import json
from typing import Any

from bot.settings.models import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema of a configuration file."""
    generated = Config.model_json_schema(mode="validation")
    return {"$schema": DIALECT, **_unwrapped(generated)}


def schema_text() -> str:
    """Return the schema as `config/schema.json` holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _unwrapped(node: Any) -> Any:
    """Put descriptions that were wrapped in the source onto one line."""
    if isinstance(node, list):
        return [_unwrapped(inside) for inside in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _unwrapped(inside) for key, inside in node.items()}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].split())
    return plain
