from __future__ import annotations

import pytest

from inkdigits.cli.train import DATASET_NAMES
from inkdigits.data.datasets import DATASETS, get_class_names
from inkdigits.errors import UsageError


def test_each_class_has_a_name_of_its_own() -> None:
    assert all(len(set(names)) == len(names) for names in DATASETS.values())
    assert get_class_names("fashion-mnist")[9] == "Ankle boot"
    # The numbers of classes of Cohen et al. (2017), table II.
    numbers = {"letters": 26, "balanced": 47, "bymerge": 47, "byclass": 62, "digits": 10}
    assert {split: len(DATASETS[f"emnist-{split}"]) for split in numbers} == numbers
    assert set(DATASET_NAMES) == set(DATASETS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashionmnist", "unknown dataset 'fashionmnist': did you mean 'fashion-mnist'?"),
        ("shapes", "unknown dataset 'shapes': expected one of mnist, qmnist,"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        get_class_names(name)

    assert str(caught.value).startswith(message)
