"""`--mlflow`: MLflow has the settings and figures of a run, also of a resumed one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inkdigits.data import Mnist
from inkdigits.errors import MissingExtraError
from inkdigits.training import resume, train
from inkdigits.training.fit import mlflow_tracking


def test_a_run_is_recorded(mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs inkdigits[mlflow]")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    overrides = {"training_images": 500, "epochs": 1, "schedule": "constant"}

    run = train("smoke", overrides=overrides, output="run", mlflow=True, progress=False)
    resume(run.folder, epochs=2, progress=False)

    (record,) = mlflow.search_runs(output_format="list")
    assert record.info.run_id == run.load_settings().mlflow_run
    assert (record.info.run_name, record.info.status) == ("run", "FINISHED")
    assert record.data.params["training_images"] == "500"
    history = mlflow.MlflowClient().get_metric_history(record.info.run_id, "val_loss")
    assert [one.value for one in history] == run.to_pandas()["val_loss"].tolist()
    figures = run.to_dict()["figures"]
    assert record.data.metrics["validation_accuracy"] == figures["validation_accuracy"]


def test_without_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.keras", None)

    with pytest.raises(MissingExtraError, match=r'pip install "inkdigits\[mlflow\]"'):
        mlflow_tracking.check_mlflow()
    with pytest.raises(MissingExtraError):
        train("smoke", output=tmp_path / "run", mlflow=True)
    assert not (tmp_path / "run").exists()
