"""GET /v1/status."""

from __future__ import annotations

from starlette.testclient import TestClient

import inkdigits
from inkdigits.recognition import Recognizer


def test_status_names_version_models_and_limits(shared_client: TestClient) -> None:
    assert shared_client.get("/v1/status").json() == {
        "version": inkdigits.__version__,
        "model": Recognizer.load().card.recipe["name"],
        "reader": Recognizer.load().reader.card.recipe["name"],
        "threshold": Recognizer.load().threshold,
        "corrections": False,
        "review": False,
        "limits": {
            "max_bytes": 20_000_000,
            "max_pixels": 20_000_000,
            "max_pictures": 64,
            "max_pages": 20,
        },
    }
