"""Training with teachers, in addition to the labels."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inkdigits.data import LabelledImages, Mnist
from inkdigits.errors import ModelError, RunError, UsageError
from inkdigits.recognition import Recognizer
from inkdigits.recognition.card import NONE
from inkdigits.recognition.recognizer import DEFAULT_MODEL
from inkdigits.training import Run, resume, train
from inkdigits.training.samples.distillation import TEACHER_SHARE, Teacher, encode_one_hot


def test_targets_lie_between_teacher_and_label(smoke_run: Run, test_slice: LabelledImages) -> None:
    judged = Recognizer.load(smoke_run.folder).classify(test_slice.images)
    wrong = (test_slice.labels + 1) % 10

    targets = Teacher([smoke_run.folder], 10)(test_slice.images, wrong)

    assert targets.shape == (1_000, 10)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    rest = targets - TEACHER_SHARE * judged
    np.testing.assert_allclose(rest, (1 - TEACHER_SHARE) * np.eye(10)[wrong], atol=1e-6)


def test_two_teachers_are_their_mean(
    smoke_run: Run, test_slice: LabelledImages, tmp_path: Path
) -> None:
    few = test_slice.take(range(20))
    other = Path(shutil.copytree(smoke_run.folder, tmp_path / "other"))
    card = json.loads((other / "model.json").read_bytes())
    (other / "model.json").write_text(json.dumps({**card, "temperature": 5.0}))

    one, two, both = (
        Teacher(models, 10)(few.images, few.labels)
        for models in ([smoke_run.folder], [other / "model.onnx"], [smoke_run.folder, other])
    )

    assert np.abs(one - two).max() > 0.1
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-6)


def test_the_default_model_teaches_what_is_no_digit(test_slice: LabelledImages) -> None:
    few = test_slice.images[:20]

    targets = Teacher([DEFAULT_MODEL], 11)(few, np.full(20, NONE))

    assert targets.shape == (20, 11)
    assert (targets[:, NONE] >= 1 - TEACHER_SHARE - 1e-6).all()
    assert Teacher([DEFAULT_MODEL], 10)(few, np.zeros(20, int)).shape == (20, 10)


def test_one_hot() -> None:
    np.testing.assert_array_equal(encode_one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


def test_a_teacher_beats_labels_alone(
    smoke_run: Run, mnist: Mnist, test_slice: LabelledImages, tmp_path: Path
) -> None:
    """With few images, a teacher that was trained on many more improves the network."""
    overrides = {"training_images": 400, "epochs": 5, "batch_size": 32}
    overrides["validation_images"] = 100
    losses = []
    for name, teachers in (("alone", []), ("taught", [smoke_run.folder])):
        run = train(
            "smoke",
            overrides=overrides,
            teacher=teachers,
            output=tmp_path / name,
            progress=False,
        )
        probabilities = Recognizer.load(run.folder).classify(test_slice.images)
        told = probabilities[np.arange(len(probabilities)), test_slice.labels]
        losses.append(float(-np.log(told).mean()))

    assert losses[1] < losses[0]


@pytest.fixture(scope="module")
def finished(smoke_run: Run, mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A short run with its teacher in a folder beside it; read only."""
    folder = tmp_path_factory.mktemp("distillation")
    return train(
        "smoke",
        overrides={"training_images": 400, "epochs": 1},
        teacher=[Path(shutil.copytree(smoke_run.folder, folder / "teacher"))],
        output=folder / "taught",
        progress=False,
    )


@pytest.fixture
def taught(finished: Run, tmp_path: Path) -> Run:
    """A copy of that run and its teacher, as if stopped before its card."""
    shutil.copytree(finished.folder.parent, tmp_path, dirs_exist_ok=True)
    run = Run(tmp_path / "taught")
    run.save_settings(replace(run.load_settings(), teachers=(str(tmp_path / "teacher"),)))
    run.card.unlink()
    return run


def test_run_remembers_its_teacher(finished: Run, taught: Run, smoke_run: Run) -> None:
    settings = finished.load_settings()
    assert settings.teachers == (str(finished.folder.parent / "teacher"),)
    assert settings.data_sha256 | Teacher([smoke_run.folder], 10).sha256 == settings.data_sha256

    assert resume(taught.folder, progress=False).is_finished


def test_run_of_another_teacher_is_not_resumed(taught: Run) -> None:
    teacher = taught.folder.parent / "teacher" / "model.onnx"
    empty_doc_string = b"\x32\x00"  # another file, the same network
    teacher.write_bytes(teacher.read_bytes() + empty_doc_string)

    with pytest.raises(RunError, match=r"teachers in the cache and .*/teacher are not those"):
        resume(taught.folder, progress=False)


def test_resumed_without_its_teacher(taught: Run) -> None:
    shutil.rmtree(taught.folder.parent / "teacher")

    with pytest.raises(ModelError, match=r"no model at .*teacher"):
        resume(taught.folder, progress=False)


@pytest.mark.parametrize(
    ("recipe", "teacher", "expected", "message"),
    [
        ("smoke", "nowhere", ModelError, "no model at .*nowhere"),
        ("pictures", "smoke", UsageError, "has no not-a-digit class"),
        ("smoke", "reader", UsageError, "reads whole pictures: expected a network for tiles"),
    ],
)
def test_teachers_that_cannot_teach(
    smoke_run: Run,
    tmp_path: Path,
    recipe: str,
    teacher: str,
    expected: type[Exception],
    message: str,
) -> None:
    model = smoke_run.folder if teacher == "smoke" else tmp_path / teacher
    if teacher == "reader":
        model.mkdir()
        for suffix in (".onnx", ".json"):
            shutil.copy(DEFAULT_MODEL.with_suffix(suffix), model / f"model{suffix}")

    with pytest.raises(expected, match=message):
        train(recipe, teacher=[model], output=tmp_path / "run", progress=False)

    assert not (tmp_path / "run").exists()
