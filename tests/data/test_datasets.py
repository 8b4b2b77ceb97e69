from __future__ import annotations

import pytest

from inkdigits.cli.train import DATASET_NAMES
from inkdigits.data.datasets import DATASETS, get_class_names
from inkdigits.errors import UsageError


def test_each_data_set_has_ten_classes() -> None:
    assert all(len(set(names)) == 10 for names in DATASETS.values())
    assert get_class_names("fashion-mnist")[9] == "Ankle boot"
    assert set(DATASET_NAMES) == set(DATASETS)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashionmnist", "unknown dataset 'fashionmnist': did you mean 'fashion-mnist'?"),
        ("emnist-letters", "emnist-letters has 26 classes: networks for tiles have ten"),
    ],
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        get_class_names(name)

    assert str(caught.value).startswith(message)
