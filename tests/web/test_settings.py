"""The limits and options of the service."""

from __future__ import annotations

from typing import Any

import pytest

from inkdigits.errors import UsageError
from inkdigits.web import Settings

KEY = "correct horse battery"


def test_api_key_is_not_in_the_representation() -> None:
    assert KEY not in repr(Settings(api_key=KEY))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"deadline_s": -1.0}, "deadline_s is -1"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0"),
        ({"api_key": "short"}, "too short"),
        ({"api_key": "ungültiger Schlüssel"}, "not ASCII"),
        ({"max_held_bytes": 10, "max_bytes": 11}, "at least max_bytes"),
    ],
    ids=str,
)
def test_invalid_settings_are_rejected(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Settings(**settings)
