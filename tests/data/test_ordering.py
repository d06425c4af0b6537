import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.ordering import count_distinct, joint_key, stable_order

WHOLE = st.integers(-(2**62), 2**62) | st.integers(-3, 3)


@given(st.lists(st.tuples(WHOLE, st.integers(0, 2))))
def test_orders_are_those_of_sorting_tuples(rows):
    keys = [np.array(column, dtype=np.int64) for column in zip(*rows)] or [np.zeros(0, np.int64)] * 2
    assert stable_order(keys).tolist() == sorted(range(len(rows)), key=lambda row: rows[row])
    assert count_distinct(keys[0]) == len({row[0] for row in rows})


def test_a_joint_key_only_where_it_fits():
    wide = np.array([-(2**61), 2**61])
    assert joint_key([wide, np.array([0, 1])]) is None
    assert joint_key([np.array([3, 4]), np.array([-1, 1])]).tolist() == [0, 5]
