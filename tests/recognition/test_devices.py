"""Models on other devices than the CPU, with lists of providers as such machines have them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from inkdigits.errors import UsageError
from inkdigits.recognition import DEFAULT_TILE_MODEL, Recognizer, predict
from inkdigits.recognition.devices import CPU, DEVICES, PROVIDERS, _report_fallback, count_cores
from inkdigits.recognition.network import OnnxNetwork

CUDA, COREML, DIRECTML = (PROVIDERS[name][0] for name in ("cuda", "coreml", "directml"))
TILES = np.zeros((3, 28, 28), np.uint8)


class FakeRuntime:
    """ONNX Runtime on a machine with some providers, of which some do not start."""

    def __init__(self, available: list[str], *, failing: str | None, absent: str | None) -> None:
        self.available, self.failing, self.absent = available, failing, absent
        self.asked: list[list[str]] = []
        self._open = onnxruntime.InferenceSession

    def open_session(
        self, model: Any, options: Any, *, providers: list[str], **settings: Any
    ) -> Any:
        self.asked.append(providers)
        if self.failing in providers:
            raise RuntimeError("no such device\nmore")
        opened = self._open(model, options, providers=[CPU])
        started = [name for name in providers if name != self.absent]
        return _Opened(opened, started)


class _Opened:
    def __init__(self, session: Any, providers: list[str]) -> None:
        self._session, self._providers = session, providers

    def get_providers(self) -> list[str]:
        return self._providers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


Runtime = Callable[..., FakeRuntime]


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    def install(
        *available: str, failing: str | None = None, absent: str | None = None
    ) -> FakeRuntime:
        runtime = FakeRuntime([*available, CPU], failing=failing, absent=absent)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: runtime.available)
        monkeypatch.setattr(onnxruntime, "InferenceSession", runtime.open_session)
        return runtime

    _report_fallback.cache_clear()
    yield install
    _report_fallback.cache_clear()


@pytest.mark.parametrize(
    ("device", "available", "expected"),
    [
        ("cpu", [CUDA], [CPU]),
        ("cuda", [CUDA], [CUDA, CPU]),
        ("cuda", ["TensorrtExecutionProvider", CUDA], [CUDA, CPU]),
        ("coreml", [COREML], [COREML, CPU]),
        ("directml", [DIRECTML], [DIRECTML, CPU]),
        ("auto", [COREML], [COREML, CPU]),
        ("auto", [DIRECTML, CUDA], [CUDA, CPU]),
        ("auto", [], [CPU]),
    ],
)
def test_the_device_is_tried_before_the_cpu(
    device: str,
    available: list[str],
    expected: list[str],
    fake_runtime: Runtime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    runtime = fake_runtime(*available)
    network = OnnxNetwork(DEFAULT_TILE_MODEL, device=device)

    assert runtime.asked == [expected]
    assert network(TILES).shape == (3, 11)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        ({"available": []}, "it needs the package onnxruntime-gpu instead of onnxruntime"),
        ({"available": [CUDA], "failing": CUDA}, "no such device"),
        ({"available": [CUDA], "absent": CUDA}, "its libraries may be missing"),
    ],
    ids=["no package", "no card", "no libraries"],
)
def test_the_cpu_takes_its_place_and_one_line_says_so(
    machine: dict[str, Any],
    reason: str,
    fake_runtime: Runtime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake_runtime(*machine.pop("available"), **machine)
    expected = OnnxNetwork(DEFAULT_TILE_MODEL)(TILES)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            network = OnnxNetwork(DEFAULT_TILE_MODEL, device="cuda")

    (message,) = caplog.messages
    assert message.startswith("the device cuda cannot be used (")
    assert reason in message
    assert message.endswith("): reading on the CPU")
    assert "\n" not in message
    assert (network(TILES) == expected).all()


def test_a_recognizer_keeps_its_device(fake_runtime: Runtime) -> None:
    """Its reader and its network for tiles run there, also after `adapt`."""
    runtime = fake_runtime(CUDA)
    recognizer = Recognizer.load(device="cuda").adapt(threshold=0.4)
    picture = np.full((60, 60), 255, np.uint8)
    picture[10:50, 28:32] = 0
    recognizer.read(picture)
    recognizer.classify(TILES)

    assert recognizer.device == "cuda"
    assert runtime.asked == [[CUDA, CPU]] * 2


def test_ensembles_run_on_the_device(fake_runtime: Runtime) -> None:
    runtime = fake_runtime(CUDA)
    recognizer = Recognizer.load([DEFAULT_TILE_MODEL, DEFAULT_TILE_MODEL], device="cuda")

    assert recognizer.device == "cuda"
    assert runtime.asked == [[CUDA, CPU]] * 2


def test_an_unknown_device_is_named(pictures: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="unknown device 'gpu': expected one of cpu, auto, cuda"):
        predict(pictures["seven"], device="gpu")  # type: ignore[call-overload]
    assert set(PROVIDERS) == set(DEVICES) - {"cpu", "auto"}


def test_the_real_runtime_reads_on_the_cpu_instead(
    python: Callable[..., Any], pictures: dict[str, Path]
) -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this machine has CUDA")
    ended = python("-m", "inkdigits", "predict", str(pictures["seven"]), "--device", "cuda")

    assert ended.returncode == 0
    assert ended.stdout.startswith("7  (")
    assert ended.stderr.count("\n") == 1
    assert "the device cuda cannot be used" in ended.stderr


@pytest.mark.parametrize(("chosen", "n"), [("1", 1), (" 3 ", 3)])
def test_the_environment_limits_the_cores(
    chosen: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)

    assert count_cores() == n


@pytest.mark.parametrize("chosen", [None, "", "0", "-2", "all", "2,3"])
def test_otherwise_a_model_uses_the_cores_of_the_process(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 5, 9}, raising=False)

    assert count_cores() == 3

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_cores() == 1
