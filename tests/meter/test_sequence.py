"""What a producer sends twice counts once: per source an epoch, and the last 1,024 sequences."""

from hypothesis import example, given
from hypothesis import strategies as st

from stream.meter import sequence
from stream.meter.sequence import PREFIX, WINDOW, Sequences
from stream.stage import StateRow


class Model:
    """All that was seen of each source's newest epoch, forever."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, set[int]]] = {}

    def is_new(self, source: str, epoch: int, seq: int) -> bool:
        newest, seen = self.seen.get(source, (epoch, set()))
        if epoch > newest or source not in self.seen:
            self.seen[source] = (epoch, {seq})
            return True
        if epoch < newest or seq in seen or seq <= max(seen) - WINDOW:
            return False
        seen.add(seq)
        return True


# Near the edges of the window, where the shifts are.
steps = st.one_of(
    st.integers(0, 30), st.integers(WINDOW - 3, WINDOW + 30), st.sampled_from([2 * WINDOW, 10**9, 2**63 - 1])
)
messages = st.lists(
    st.tuples(st.sampled_from(["a", "b", ""]), st.integers(0, 2), steps, st.booleans()), max_size=60
)


@given(messages)
@example([("a", 0, 0, False), ("a", 0, WINDOW, False), ("a", 0, 0, False), ("a", 0, 1, False)])
def test_as_the_model_says_with_restarts_at_any_time(sent: list[tuple[str, int, int, bool]]) -> None:
    model, real = Model(), Sequences()
    state: dict[bytes, StateRow] = {}
    for source, epoch, seq, restart in sent:
        assert real.is_new(source, epoch, seq) == model.is_new(source, epoch, seq), (source, epoch, seq)
        if restart:
            state |= {row.key: row for row in real.changes()}
            real = Sequences()
            for row in state.values():
                real.restore(row)


def test_out_of_order_within_the_window_is_new_once() -> None:
    sequences = Sequences()
    order = [WINDOW, *range(WINDOW - 1, 0, -1)]
    assert all(sequences.is_new("s", 1, seq) for seq in order)
    assert not any(sequences.is_new("s", 1, seq) for seq in order)


def test_behind_the_window_counts_as_a_repeat() -> None:
    sequences = Sequences()
    assert sequences.is_new("s", 1, WINDOW)
    assert not sequences.is_new("s", 1, 0)
    assert sequences.is_new("s", 1, 1)


def test_a_new_epoch_starts_again_and_the_old_one_is_over() -> None:
    sequences = Sequences()
    assert sequences.is_new("s", 1, 5)
    assert sequences.is_new("s", 2, 5)
    assert not sequences.is_new("s", 1, 6)
    assert sequences.is_new("other", 1, 5)


def test_only_what_was_touched_is_written_again() -> None:
    sequences = Sequences()
    for source in ("a", "b"):
        sequences.is_new(source, 1, 1)
    assert {row.key for row in sequences.changes()} == {PREFIX + b"a", PREFIX + b"b"}
    sequences.is_new("b", 1, 1)  # a repeat changes nothing
    assert list(sequences.changes()) == []
    sequences.is_new("b", 1, 2)
    assert [row.key for row in sequences.changes()] == [PREFIX + b"b"]


def test_beyond_the_bound_the_longest_unheard_source_is_forgotten() -> None:
    bound = sequence.MAX_SOURCES
    sequences = Sequences()
    for number in range(bound):
        sequences.is_new(f"s{number}", 1, 1)
    sequences.is_new("s0", 1, 1)  # heard again, if only a repeat
    list(sequences.changes())
    sequences.is_new("one more", 1, 1)
    gone = [row.key for row in sequences.changes() if row.value is None]
    assert gone == [PREFIX + b"s1"]
    assert sequences.is_new("s1", 1, 1)
    assert not sequences.is_new("s0", 1, 1)
