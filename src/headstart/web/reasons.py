"""Why an operator does something: kept with it for good, and shown to all operators."""

from typing import Annotated

from pydantic import StringConstraints

REASON_CHARACTERS_MAX = 500  # as the schema has it

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_CHARACTERS_MAX),
]
