from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from inkdigits.errors import DataUnavailableError, ModelError, UsageError
from inkdigits.evaluation.compared_models import (
    ComparedModel,
    check_exists,
    find_models,
    load_model,
)
from inkdigits.recognition import DEFAULT_MODEL, DEFAULT_TILE_MODEL, Recognizer
from inkdigits.recognition.card import Card
from inkdigits.training import Run


def load(source: Path | str | Recognizer) -> ComparedModel:
    (found, *_) = find_models([source]).items()
    return load_model(*found)


def test_names_stand_for_models(
    smoke_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, net = str(smoke_run.folder), str(smoke_run.onnx_model)

    assert find_models([run, f"{run}+{net}", "default"]) == {
        run: (smoke_run.folder,),
        f"{run}+{net}": (smoke_run.folder, smoke_run.onnx_model),
        "default": (DEFAULT_MODEL,),
    }
    assert find_models([[run, net]]) == {
        f"{run}+{net}": (smoke_run.folder, smoke_run.onnx_model),
        "default": (DEFAULT_MODEL,),
    }


def test_files_go_before_the_names_of_ensembles_and_of_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("default", "a+b.onnx"):
        Path(name).touch()

    assert find_models(["default", "a+b.onnx"]) == {
        "default": (Path("default"),),
        "a+b.onnx": (Path("a+b.onnx"),),
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["runs/qiuck"], "no model at runs/qiuck: did you mean 'runs/quick'?"),
        (["runs/quick+runs/smal"], "no model at runs/smal: did you mean 'runs/small'?"),
        (["runs/quick", "defualt"], "no model at defualt: did you mean 'default'?"),
        (["nowhere/net.h5"], "no model at nowhere/net.h5: expected a run folder"),
    ],
)
def test_a_misspelt_model_is_noticed(
    names: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("quick", "small"):
        Path("runs", name).mkdir(parents=True)

    with pytest.raises(ModelError) as caught:
        find_models(names)

    assert str(caught.value).startswith(message)


def test_a_misspelt_folder_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "my-pictures").mkdir()

    with pytest.raises(DataUnavailableError, match=r"did you mean '.*my-pictures'"):
        check_exists(tmp_path / "my-picturs", "folder", "a folder")


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "no models"), (["default"], "default is given twice"), ([".", ".", "default"], "twice")],
)
def test_models_that_cannot_be_compared(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_models(names)


def test_recognizers_are_named_after_their_cards(
    read_always: Callable[..., Recognizer], ink_recognizer: Recognizer
) -> None:
    assert list(find_models([read_always(1), ink_recognizer])) == ["fixed-0", "smoke-0"]
    with pytest.raises(UsageError, match="fixed-0 is given twice"):
        find_models([read_always(1), read_always(2)])


def test_sizes_of_all_forms(smoke_run: Run, exported: dict[str, Path]) -> None:
    parameters = Card.load(smoke_run.card).figures["parameters"]
    size = load(smoke_run.folder).measure_size(on_tiles=True)

    assert (size.parameters, size.n_bytes) == (parameters, smoke_run.onnx_model.stat().st_size)
    for path in exported.values():
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
        size = load(path).measure_size(on_tiles=False)
        assert size.parameters == parameters
        assert size.n_bytes == sum(file.stat().st_size for file in files)


def test_size_of_an_ensemble_is_that_of_its_members(smoke_run: Run) -> None:
    one = load(smoke_run.folder).measure_size(on_tiles=True)
    both = load(f"{smoke_run.folder}+{smoke_run.onnx_model}").measure_size(on_tiles=True)

    assert one.parameters is not None
    assert one.n_bytes is not None
    assert (both.parameters, both.n_bytes) == (2 * one.parameters, 2 * one.n_bytes)


def test_the_default_has_a_network_for_tiles_and_a_reader() -> None:
    model = load_model("default", [DEFAULT_MODEL])

    assert model.classifies_tiles
    for on_tiles, path in ((True, DEFAULT_TILE_MODEL), (False, DEFAULT_MODEL)):
        assert model.measure_size(on_tiles=on_tiles).n_bytes == path.stat().st_size


def test_a_reader_from_a_file_classifies_no_tiles(tmp_path: Path) -> None:
    for suffix in (".onnx", ".json"):
        content = DEFAULT_MODEL.with_suffix(suffix).read_bytes()
        (tmp_path / f"net{suffix}").write_bytes(content)

    assert not load(tmp_path / "net.onnx").classifies_tiles


def test_a_network_whose_card_lacks_its_parameters_is_counted(
    smoke_run: Run, tmp_path: Path
) -> None:
    card = Card.load(smoke_run.card)
    parameters = card.figures.pop("parameters")
    card.save(tmp_path / "net.json")
    (tmp_path / "net.onnx").write_bytes(smoke_run.onnx_model.read_bytes())

    counted = load(tmp_path / "net.onnx").measure_size(on_tiles=True).parameters

    graph = onnx.load(smoke_run.onnx_model).graph
    weights = sum(numpy_helper.to_array(tensor).size for tensor in graph.initializer)
    assert counted is not None
    assert parameters <= counted <= weights + 100


def test_curves_are_those_of_the_run(
    smoke_run: Run, ink_recognizer: Recognizer, exported: dict[str, Path]
) -> None:
    curves = load(smoke_run.folder).load_curves()

    keys = ("epoch", "val_loss", "val_accuracy")
    assert curves == [{key: row[key] for key in keys} for row in smoke_run.load_history()]
    ensemble = f"{smoke_run.folder}+{smoke_run.onnx_model}"
    others: list[Path | str | Recognizer] = [exported["onnx"], ink_recognizer, ensemble]
    assert [load(other).load_curves() for other in others] == [[], [], []]


def test_a_run_of_a_reader_has_no_curves(tmp_path: Path, smoke_run: Run) -> None:
    """It is not validated after each epoch, and its history has other columns."""
    (tmp_path / "history.csv").write_text("part,step,samples,loss\ndetector,1,16,0.5\n")
    recognizer = load(smoke_run.folder).recognizer

    assert ComparedModel("reader", recognizer, (tmp_path,)).load_curves() == []
