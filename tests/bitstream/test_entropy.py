"""The coder: exact against a plain-Python ANS, golden words, and the end of the data."""

import numpy as np
import pytest
from effort import Effort
from hypothesis import given, settings
from hypothesis import strategies as st

from bitstream.compiled import new_decoder, new_encoder
from bitstream.errors import Checksum, Truncated
from bitstream.reference import AnsDecoder
from bitstream.tables import TOTAL, Tables, frequencies_from_counts, uniform

pytestmark = pytest.mark.usefixtures("implementation")

SEAL = 0x9ABCDEF0


def words_of(data):
    return [int.from_bytes(data[i : i + 4], "big") for i in range(0, len(data), 4)]


def random_tables(rng, rows, symbols):
    """Tables from flat to extreme: some symbols at the floor, some near all of 2**24."""
    weights = rng.random((rows, symbols)) ** rng.choice([0.1, 1, 30, 1000], (rows, 1))
    return Tables(frequencies_from_counts((weights * 2**26).astype(np.int64)))


@settings(deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 5), st.sampled_from([2, 3, 64, 255, 256])),
        max_size=5,
    ),
    st.integers(2**31, 2**32 - 1),
)
def test_batches_of_any_tables_come_back_and_the_seal_is_left(seed, batches, seal):
    rng = np.random.default_rng(seed)
    encoder = new_encoder()
    sent = []
    for n, rows, symbols in batches:
        tables = random_tables(rng, rows, symbols)
        ids = rng.integers(0, rows, n).astype(np.int32)
        sent.append((ids, tables, rng.integers(0, symbols, n).astype(np.int32)))
        encoder.code(*sent[-1])
    data = encoder.finish(seal)
    assert len(data) % 4 == 0
    assert any(data[:4])
    decoder, reference = new_decoder(data), AnsDecoder(words_of(data))
    for ids, tables, symbols in sent:
        np.testing.assert_array_equal(decoder.code(ids, tables), symbols)
        assert reference.read(ids.tolist(), tables.frequencies.tolist()) == symbols.tolist()
    assert decoder.ends_with(seal)
    assert not decoder.ends_with(seal ^ 1)
    assert (reference.state, reference.words) == (seal, [])


@pytest.mark.parametrize("symbols", [2, 3, 17, 256, 2000])
def test_the_coder_uses_exactly_the_tables(symbols):
    """Random words decode alike with constriction and with integers, for 60 tables each."""
    rng = np.random.default_rng(symbols)
    tables = random_tables(rng, 60, symbols)
    data = rng.integers(1, 2**32, 400, dtype=np.uint32).astype(">u4").tobytes()
    ids = rng.integers(0, 60, 300).astype(np.int32)
    expected = AnsDecoder(words_of(data)).read(ids.tolist(), tables.frequencies.tolist())
    assert new_decoder(data).code(ids, tables).tolist() == expected


@pytest.mark.parametrize("symbols", [2, 256])
def test_the_state_in_two_numbers(symbols):
    """The arithmetic of FORMAT.md 8 stays below 2^45 and does what the coder does."""
    rng = np.random.default_rng(symbols)
    tables = random_tables(rng, 20, symbols)
    data = rng.integers(2**31, 2**32, 300, dtype=np.uint32).astype(">u4").tobytes()
    coder = AnsDecoder(words_of(data))
    words, h, q = words_of(data)[2:], coder.state >> 24, coder.state & 0xFFFFFF
    for table in tables.frequencies[rng.integers(0, 20, 400)].tolist():
        quantile = q
        symbol = coder.symbol(table)
        c, f = sum(table[:symbol]), table[symbol]
        assert c <= quantile < c + f
        a, b = h // 2**20, h % 2**20
        t = b * f + q - c
        s = a * f + t // 2**20
        h, q = s // 16, s % 16 * 2**20 + t % 2**20
        most = max(t, s, h)
        if h < 2**8 and words:
            w = words.pop(0)
            h, q = (h * 2**24 + q) * 2**8 + w // 2**24, w % 2**24
        assert max(most, h) < 2**45
        assert h * 2**24 + q == coder.state


def test_golden_words():
    encoder = new_encoder()
    tables = Tables([[TOTAL - 255] + [1] * 255, [TOTAL // 256] * 256])
    ids = np.array([1, 0, 1, 0, 0, 1, 1], np.int32)
    encoder.code(ids, tables, np.array([200, 0, 7, 255, 0, 0, 255], np.int32))
    encoder.code(np.zeros(3, np.int32), uniform(4), np.array([3, 0, 1], np.int32))
    assert encoder.finish(SEAL).hex() == "26a515f8cce2d3330007def0"


def test_running_out_is_noticed():
    rng = np.random.default_rng(0)
    tables, ids = uniform(256), np.zeros(40, np.int32)
    encoder = new_encoder()
    encoder.code(ids, tables, rng.integers(0, 256, 40).astype(np.int32))
    data = encoder.finish(SEAL)
    assert len(data) == 44
    decoder = new_decoder(data[:16])
    decoder.code(ids[:11], tables)
    assert decoder.has_more()  # 11 of 16 bytes were read, the state holds the rest
    decoder.code(ids[:1], tables)
    assert not decoder.has_more()
    with pytest.raises(Truncated, match="^the image data ran out$"):
        decoder.code(ids[:1], tables)
    new_decoder(bytes.fromhex("80000000")).code(ids[:0], tables)  # the least seal is left
    with pytest.raises(Truncated):
        new_decoder(bytes.fromhex("7fffffff")).code(ids[:0], tables)


@pytest.mark.parametrize(
    ("words", "more"),
    [("ffffffff", False), ("0000000100000000", True), ("00000001000000000000000000000000", True)],
)
def test_more_is_left_from_33_bits_on(words, more):
    assert new_decoder(bytes.fromhex(words)).has_more() is more
    reference = AnsDecoder(words_of(bytes.fromhex(words)))
    reference.refill()  # there is no room for a third word
    assert (reference.state >= 2**32, len(reference.words)) == (more, max(len(words) // 8 - 2, 0))


def test_an_empty_batch_costs_nothing():
    encoder = new_encoder()
    encoder.code(np.empty(0, np.int32), uniform(2), np.empty(0, np.int32))
    data = encoder.finish(SEAL)
    assert data == SEAL.to_bytes(4, "big")
    assert len(new_decoder(data).code(np.empty(0, np.int32), uniform(2))) == 0


def test_a_leading_zero_word_is_refused():
    with pytest.raises(Checksum, match="^the image data begins with a zero word: the file is d"):
        new_decoder(bytes(4) + b"1234")


@pytest.mark.parametrize(
    ("ids", "symbols"), [([0], [4]), ([0], [-1]), ([1], [0]), ([-1], [0]), ([0, 0], [0])]
)
def test_symbols_without_a_place_are_refused(ids, symbols):
    with pytest.raises(ValueError, match=r"outside 0\.\.|^the encoder needs one symbol"):
        new_encoder().code(np.array(ids, np.int32), uniform(4), np.array(symbols, np.int32))


def test_35_000_symbols_take_little_work():
    """Ten batches over ten sets of 256 tables; only the first round builds the models."""
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, 256, 3500).astype(np.int32) for _ in range(10)]
    symbols = [rng.integers(0, 256, 3500).astype(np.int32) for _ in range(10)]
    tables = [random_tables(rng, 256, 256) for _ in range(10)]
    efforts = []
    for _ in range(6):
        with Effort() as encoding:
            encoder = new_encoder()
            for batch in zip(ids, tables, symbols, strict=True):
                encoder.code(*batch)
            data = encoder.finish(SEAL)
        with Effort() as decoding:
            decoder = new_decoder(data)
            for batch_ids, batch_tables in zip(ids, tables, strict=True):
                decoder.code(batch_ids, batch_tables)
        efforts.append((encoding.units, decoding.units))
    assert np.min(efforts[1:], axis=0).max() < 60
