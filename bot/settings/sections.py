"""What every section of a configuration is made of."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[a-z0-9-]{1,32}$"
VARIABLE_PATTERN = r"^[A-Z_][A-Z0-9_]{0,63}$"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a text or a row must look like, in words for a person."""

    words: str


FilePath = Annotated[str, Field(min_length=1), Shape("the path of a file")]


class Section(BaseModel):
    """One mapping of the file: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class SecretReference(Section):
    """Where a secret lies: an environment variable or a file. Never the secret itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["env"], "properties": {"env": {"type": "string"}}},
                {"required": ["file"], "properties": {"file": {"type": "string"}}},
            ]
        }
    )

    env: Annotated[
        str | None,
        Field(pattern=VARIABLE_PATTERN),
        Shape("the name of an environment variable (A-Z, 0-9 and _)"),
    ] = None
    """Name of the environment variable that holds the secret."""
    file: Annotated[FilePath | None, Shape("the path of a file")] = None
    """Path of a file that holds nothing but the secret and that only its owner can read (mode
    0600)."""
