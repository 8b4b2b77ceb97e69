from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from inkdigits.bulk.read_addresses import ReadAddresses


@given(st.sets(st.text(max_size=8)), st.lists(st.text(max_size=8)))
def test_it_contains_what_a_set_contains(inside: set[str], asked: list[str]) -> None:
    read = ReadAddresses.collect(inside)

    assert len(read) == len(inside)
    for address in (*inside, *asked):
        assert (address in read) == (address in inside)


def test_a_pickle_takes_sixteen_bytes_for_each() -> None:
    read = ReadAddresses.collect(f"s3://bucket/{number}.png" for number in range(10_000))

    assert len(pickle.dumps(read)) < 161_000
    assert "s3://bucket/77.png" in pickle.loads(pickle.dumps(read))
