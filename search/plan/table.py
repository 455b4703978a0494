"""The base of all tables of a plan."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of a plan: immutable, without type coercion, and closed to unknown keys.

    The docstrings under its fields are the descriptions in the JSON schema.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
