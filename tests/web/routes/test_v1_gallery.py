"""/v1/gallery: whose mistakes the page shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from inkdigits.data import LabelledImages, Mnist, cache_directory
from inkdigits.recognition import Recognizer
from inkdigits.training import Run
from inkdigits.web.gallery import (
    GALLERY,
    build_gallery,
    hash_models,
    locate_gallery,
    write_gallery,
)
from inkdigits.web.service import Service

OpenClient = Callable[..., TestClient]


@pytest.fixture
def committed() -> dict[str, Any]:
    gallery: dict[str, Any] = json.loads(GALLERY.read_text(encoding="utf-8"))
    return gallery


@pytest.fixture
def smoke_recognizer(smoke_run: Run) -> Recognizer:
    return Recognizer.load(smoke_run.folder)


@pytest.fixture
def cache(smoke_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, without MNIST. The smoke network was trained before it was empty."""
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetch_gallery(client: TestClient) -> dict[str, Any]:
    response = client.get("/v1/gallery")
    assert response.status_code == 200, response.text
    gallery: dict[str, Any] = response.json()
    return gallery


def split(gallery: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns whose gallery it is, and the gallery."""
    names = ("serving", "is_own", "is_pending")
    whose = tuple(gallery[name] for name in names)
    return whose, {name: value for name, value in gallery.items() if name not in names}


def test_default_model_has_the_gallery_of_the_package(
    shared_client: TestClient, committed: dict[str, Any]
) -> None:
    whose, gallery = split(fetch_gallery(shared_client))

    assert whose == ("reader-large", True, False)
    assert gallery == committed


@pytest.mark.parametrize("are_models_known", [False, True])
def test_another_model_is_not_shown_mistakes_of_the_default_model_as_its_own(
    are_models_known: bool,
    cache: Path,
    open_client: OpenClient,
    smoke_run: Run,
    smoke_recognizer: Recognizer,
    committed: dict[str, Any],
) -> None:
    models = (smoke_run.folder,) if are_models_known else ()
    client = open_client(smoke_recognizer, models=models)

    whose, gallery = split(fetch_gallery(client))

    assert whose == ("smoke", False, False)
    assert gallery == committed
    assert not cache.exists()


def test_another_model_is_shown_its_own_mistakes_once_they_are_known(
    cache: Path,
    open_client: OpenClient,
    smoke_run: Run,
    smoke_recognizer: Recognizer,
    test_slice: LabelledImages,
) -> None:
    few = test_slice.take(range(60))
    client = open_client(smoke_recognizer, models=(smoke_run.folder,))
    assert split(fetch_gallery(client))[0] == ("smoke", False, False)

    path = write_gallery([smoke_run.folder], few)

    whose, gallery = split(fetch_gallery(client))
    assert whose == ("smoke", True, False)
    assert gallery == build_gallery(smoke_recognizer, few)
    assert gallery["model"] == "smoke"
    assert path.is_relative_to(cache)
    path.write_text('{"model": "smo', encoding="utf-8")  # damaged
    assert split(fetch_gallery(client))[0] == ("smoke", False, False)


def test_gallery_belongs_to_the_content_of_a_model(smoke_run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(smoke_run.onnx_model.read_bytes())
    copy.with_suffix(".json").write_bytes(smoke_run.card.read_bytes())
    found = hash_models([smoke_run.folder])

    assert locate_gallery(hash_models([])) == GALLERY
    assert hash_models([copy]) == hash_models([smoke_run.onnx_model]) == found
    assert hash_models([copy, copy]) != found
    copy.with_suffix(".json").write_text("{}", encoding="utf-8")
    assert hash_models([copy]) != found
    with pytest.raises(OSError):
        hash_models([tmp_path / "none.onnx"])


def test_gallery_is_computed_in_the_background_until_the_service_stops(
    mnist: Mnist,
    smoke_run: Run,
    smoke_recognizer: Recognizer,
    open_client: OpenClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = cache_directory() / "mnist"
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "mnist").symlink_to(original)
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "cache"))
    client = open_client(smoke_recognizer, models=(smoke_run.folder,))
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    assert service.gallery._process is None

    answers = [split(fetch_gallery(client))[0] for _ in range(2)]

    assert answers == [("smoke", False, True)] * 2
    process = service.gallery._process
    assert isinstance(process, subprocess.Popen)
    assert process.poll() is None
    client.__exit__(None, None, None)
    assert process.poll() is not None
