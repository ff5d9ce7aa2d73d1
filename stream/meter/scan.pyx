# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Reads plain messages into columns, without a Python object an estimate.

Plain is the JSON that nearly everyone sends: known keys, each once, no escape in what is read here, numbers
of up to 18 digits, labels before what they are shared by. A message that is not plain is not judged: the
reader stops before it, and `decode.py`, which alone says what is accepted and why not, reads it.

So every check here may refuse too much and never too little. Labels are not even parsed: they are taken to
end at the first closing brace, which is proven when their very bytes are met for the first time
(`Scanner._series`): a whole object can't go on, and half a one is none.

No function reads a byte at or behind `end`. A pointer NULL means: not plain.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.math cimport fabs, rint
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

import numpy as np

from stream.messages import Messages

cdef extern from "Python.h":
    double PyOS_string_to_double(const char *text, char **rest, PyObject *overflow) except? -1.0

# The fields of an object, as bits of what was seen.
cdef enum:
    START = 1
    END = 2
    DRIVER = 4
    QUANTITY = 8
    COST = 16
    SKU = 32
    LABELS = 64
    SOURCE = 128
    EPOCH = 256
    SEQ = 512
    ESTIMATES = 1024
    NEEDED = START | END | DRIVER
    OF_ESTIMATE = NEEDED | QUANTITY | COST | SKU | LABELS
    OF_MESSAGE = SOURCE | EPOCH | SEQ
    OF_ENVELOPE = OF_MESSAGE | LABELS | ESTIMATES

cdef enum:
    DIGITS = 18  # what surely fits in an int64
    TEXT_BYTES = 40  # the longest number that is read
    PIECES = 4
    MOST_SOURCES = 50_000

cdef double MISSING = -1.7976931348623157e308  # as in schema/usage.py
cdef double PROVABLE_USD = 2097152.0  # 2**21, as in money.py
cdef double TWO_ROUNDINGS = 2.0 ** -52
cdef double EXACT = 9007199254740992.0  # 2**53: below it every integer is a double

cdef double[23] POWERS  # of ten: these are doubles exactly
cdef int64_t[19] TENS
cdef int64_t[19] MOST  # what times this power of ten still fits
cdef uint8_t[256] STOPS  # 1 for what ends a run of plain characters in a string
cdef int _k
POWERS[0], TENS[0] = 1.0, 1
for _k in range(1, 23):
    POWERS[_k] = POWERS[_k - 1] * 10.0
for _k in range(1, 19):
    TENS[_k] = TENS[_k - 1] * 10
for _k in range(19):
    MOST[_k] = 9_223_372_036_854_775_807 // TENS[_k]
for _k in range(256):
    STOPS[_k] = _k < 32 or _k == 34 or _k == 92

cdef struct Fields:
    int seen
    int64_t start, end, epoch, seq, cost_nusd, rest_ausd
    double quantity, cost_usd
    Piece driver, sku, labels, source

cdef struct Row:
    int64_t message, start, end, series, cost_nusd, rest_ausd
    double quantity, cost_usd

cdef struct Sequence:
    int64_t message, source, epoch, seq

cdef struct Slot:
    uint64_t hash
    Py_ssize_t entry  # where it begins in the arena, from 1 on; 0: the slot is free

cdef struct Entry:  # its bytes follow
    int64_t number
    Py_ssize_t[PIECES] sizes


cdef inline Bytes _blanks(Bytes p, Bytes end) noexcept:
    while p < end and (p[0] == 32 or p[0] == 10 or p[0] == 13 or p[0] == 9):
        p += 1
    return p


cdef inline bint _is(Bytes p, Bytes end, const char *name, Py_ssize_t size) noexcept:
    return end - p >= size and memcmp(p, name, size) == 0


cdef inline int _field(Bytes p, Bytes end, Py_ssize_t *size) noexcept:
    """Which field's quoted name stands here, and how long it is; 0 if none's."""
    if end - p < 4:
        return 0
    if p[1] == c's':
        if _is(p, end, b'"start"', 7):
            size[0] = 7
            return START
        if _is(p, end, b'"sku"', 5):
            size[0] = 5
            return SKU
        if _is(p, end, b'"seq"', 5):
            size[0] = 5
            return SEQ
        if _is(p, end, b'"source"', 8):
            size[0] = 8
            return SOURCE
    elif p[1] == c'e':
        if _is(p, end, b'"end"', 5):
            size[0] = 5
            return END
        if _is(p, end, b'"epoch"', 7):
            size[0] = 7
            return EPOCH
        if _is(p, end, b'"estimates"', 11):
            size[0] = 11
            return ESTIMATES
    elif _is(p, end, b'"driver"', 8):
        size[0] = 8
        return DRIVER
    elif _is(p, end, b'"quantity"', 10):
        size[0] = 10
        return QUANTITY
    elif _is(p, end, b'"cost_usd"', 10):
        size[0] = 10
        return COST
    elif _is(p, end, b'"labels"', 8):
        size[0] = 8
        return LABELS
    return 0


cdef inline Bytes _text(Bytes p, Bytes end, Piece *found) noexcept:
    """A string without escapes. Whether it is UTF-8 is found out when it is first met."""
    if p >= end or p[0] != c'"':
        return NULL
    p += 1
    found.at = p
    while p < end and not STOPS[p[0]]:
        p += 1
    if p >= end or p[0] != c'"':
        return NULL
    found.size = p - found.at
    return p + 1


cdef inline Bytes _labels(Bytes p, Bytes end, Piece *found) noexcept:
    """An object that has its first closing brace at its end. That is a guess: see `_series`."""
    if p >= end or p[0] != c'{':
        return NULL
    found.at = p
    p = <Bytes> memchr(p, c'}', end - p)
    if p == NULL:
        return NULL
    p += 1
    found.size = p - found.at
    return p


cdef inline Bytes _whole(Bytes p, Bytes end, int64_t *found) noexcept:
    """A whole number from 0 on. What follows it is for the caller to like."""
    cdef Bytes first = p
    cdef int64_t value = 0
    while p < end and c'0' <= p[0] <= c'9':
        value = value * 10 + (p[0] - c'0')
        p += 1
        if p - first > DIGITS:
            return NULL
    if p == first or (first[0] == c'0' and p - first > 1):
        return NULL
    found[0] = value
    return p


cdef Bytes _number(Bytes p, Bytes end, Number *found) except? NULL:
    """Any JSON number but -0, as the double that is nearest and as its decimal digits; also in quotes."""
    cdef bint quoted = p < end and p[0] == c'"'
    cdef bint negative_exponent
    cdef Bytes first, begin
    cdef int64_t digits = 0
    cdef int written = 0, exponent = 0
    cdef char[TEXT_BYTES + 1] text
    p += quoted
    begin = p
    found.negative = p < end and p[0] == c'-'
    p += found.negative
    first = p
    found.exponent = 0
    while p < end and c'0' <= p[0] <= c'9':
        if p - begin > TEXT_BYTES or digits >= TENS[DIGITS - 1]:
            return NULL
        digits = digits * 10 + (p[0] - c'0')
        p += 1
    if p == first or (first[0] == c'0' and p - first > 1):
        return NULL
    if p < end and p[0] == c'.':
        p += 1
        first = p
        while p < end and c'0' <= p[0] <= c'9':
            if p - begin > TEXT_BYTES or digits >= TENS[DIGITS - 1]:
                return NULL
            digits = digits * 10 + (p[0] - c'0')
            p += 1
        if p == first:
            return NULL
        found.exponent = -<int> (p - first)
    if p < end and (p[0] == c'e' or p[0] == c'E'):
        p += 1
        negative_exponent = p < end and p[0] == c'-'
        p += negative_exponent or (p < end and p[0] == c'+')
        first = p
        while p < end and c'0' <= p[0] <= c'9':
            exponent = exponent * 10 + (p[0] - c'0')
            p += 1
            if p - first > 3:
                return NULL
        if p == first:
            return NULL
        found.exponent += -exponent if negative_exponent else exponent
    if found.negative and not digits:
        return NULL
    found.digits = digits
    if digits < EXACT and -22 <= found.exponent <= 22:
        # Both are doubles exactly, so that one rounding gives the nearest.
        found.value = <double> digits
        if found.exponent < 0:
            found.value /= POWERS[-found.exponent]
        else:
            found.value *= POWERS[found.exponent]
        if found.negative:
            found.value = -found.value
    else:
        if p - begin > TEXT_BYTES:
            return NULL
        memcpy(text, begin, p - begin)
        text[p - begin] = 0
        found.value = PyOS_string_to_double(text, NULL, NULL)
        if fabs(found.value) >= -MISSING:
            return NULL
    if quoted:
        if p >= end or p[0] != c'"':
            return NULL
        p += 1
    return p


cdef bint _money(Number *cost, Fields *fields) noexcept:
    """Nano-dollars, and what is below one in 1e-18 USD, just as `Intake` finds them; 0: can't tell.

    At most 9 decimals are nano-dollars as they stand. With more, a double that money.py would take as proven
    is taken here too; the others are divided, the rest rounded half to even.
    """
    cdef int64_t digits = cost.digits, rest = 0, unit, whole
    cdef int exponent = cost.exponent
    cdef double scaled, nearest
    fields.cost_usd = cost.value
    while exponent < -9 and digits % 10 == 0 and digits:
        digits //= 10
        exponent += 1
    if not digits:
        whole = 0
    elif exponent >= -9:
        if exponent > 9 or digits > MOST[exponent + 9]:
            return 0
        whole = digits * TENS[exponent + 9]
    else:
        scaled = fabs(cost.value) * 1e9
        nearest = rint(scaled)
        if fabs(cost.value) < PROVABLE_USD and fabs(scaled - nearest) <= nearest * TWO_ROUNDINGS:
            whole = <int64_t> nearest
        elif exponent >= -18:
            whole = digits // TENS[-9 - exponent]
            rest = (digits - whole * TENS[-9 - exponent]) * TENS[18 + exponent]
        elif exponent >= -36:
            unit = TENS[-18 - exponent]
            whole = digits // unit
            digits -= whole * unit
            if digits > unit - digits or (digits == unit - digits and whole % 2):
                whole += 1
            rest = whole % TENS[9]
            whole //= TENS[9]
        else:
            return 0
    if cost.negative:
        whole = -whole - (rest > 0)
        rest = TENS[9] - rest if rest else 0
    fields.cost_nusd = whole
    fields.rest_ausd = rest
    return 1


cdef inline uint64_t _hashed(uint64_t hash, Piece piece) noexcept:
    """Two words at a time, each multiplied on its own way, so that neither waits for the other."""
    cdef uint64_t word, other = hash
    cdef Bytes p = piece.at
    cdef Py_ssize_t left = piece.size
    while left >= 16:
        memcpy(&word, p, 8)
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u
        hash ^= hash >> 32
        memcpy(&word, p + 8, 8)
        other = (other ^ word) * 0xC2B2AE3D27D4EB4Fu
        other ^= other >> 32
        p += 16
        left -= 16
    hash ^= other * 0xC2B2AE3D27D4EB4Fu
    if left >= 8:
        memcpy(&word, p, 8)
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u
        hash ^= hash >> 32
        p += 8
        left -= 8
    word = <uint64_t> piece.size << 56
    memcpy(&word, p, left)
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u
    return hash ^ (hash >> 29)


cdef class Known:
    """Numbers of byte strings in four pieces, found by hash and then by their very bytes."""

    cdef Slot *slots
    cdef Py_ssize_t count, mask
    cdef uint8_t *arena
    cdef Py_ssize_t used, held
    cdef uint64_t seed

    def __cinit__(self):
        self.seed = <uint64_t> <int64_t> hash(b"known")  # Python's own secret: no sender can aim at one slot
        self.clear()

    def __dealloc__(self):
        PyMem_Free(self.slots)
        PyMem_Free(self.arena)

    cdef int clear(self) except -1:
        PyMem_Free(self.slots)
        PyMem_Free(self.arena)
        self.slots, self.arena = NULL, NULL
        self.count = self.used = self.held = 0
        self.mask = -1
        return self._widen(1024)

    cdef int _widen(self, Py_ssize_t room) except -1:
        """Lay all out anew over `room` slots, a power of two."""
        cdef Slot *old = self.slots
        cdef Py_ssize_t index, before = self.mask + 1
        self.slots = <Slot *> PyMem_Calloc(room, sizeof(Slot))
        if self.slots == NULL:
            self.slots = old
            raise MemoryError
        self.mask = room - 1
        for index in range(before):
            if old[index].entry:
                self.slots[self._free_slot(old[index].hash)] = old[index]
        PyMem_Free(old)
        return 0

    cdef Py_ssize_t _free_slot(self, uint64_t hash) noexcept:
        cdef Py_ssize_t index = <Py_ssize_t> (hash & <uint64_t> self.mask)
        while self.slots[index].entry:
            index = (index + 1) & self.mask
        return index

    cdef int64_t find(self, uint64_t hash, Piece *pieces) noexcept:
        """The number; -1 for what was not met before."""
        cdef Py_ssize_t index = <Py_ssize_t> (hash & <uint64_t> self.mask)
        cdef Slot *slot = &self.slots[index]
        cdef Entry *entry
        while slot.entry:
            if slot.hash == hash:
                entry = <Entry *> (self.arena + slot.entry - 1)
                if _same(entry, pieces):
                    return entry.number
            index = (index + 1) & self.mask
            slot = &self.slots[index]
        return -1

    cdef int add(self, uint64_t hash, Piece *pieces, int64_t number) except -1:
        cdef Py_ssize_t size = sizeof(Entry)
        cdef int index
        cdef Entry *entry
        cdef uint8_t *p
        for index in range(PIECES):
            size += pieces[index].size
        size = (size + 7) & ~7  # so that the next entry lies where an integer may
        if self.used + size > self.held:
            self.arena = <uint8_t *> _grown(self.arena, 2 * (self.used + size))
            self.held = 2 * (self.used + size)
        if 2 * (self.count + 1) > self.mask:
            self._widen(2 * (self.mask + 1))
        entry = <Entry *> (self.arena + self.used)
        entry.number = number
        p = <uint8_t *> entry + sizeof(Entry)
        for index in range(PIECES):
            entry.sizes[index] = pieces[index].size
            memcpy(p, pieces[index].at, pieces[index].size)
            p += pieces[index].size
        self.slots[self._free_slot(hash)] = Slot(hash, self.used + 1)
        self.used += size
        self.count += 1
        return 0


cdef bint _same(Entry *entry, Piece *pieces) noexcept:
    cdef Bytes p = <Bytes> entry + sizeof(Entry)
    cdef int index
    for index in range(PIECES):
        if entry.sizes[index] != pieces[index].size:
            return 0
        if memcmp(p, pieces[index].at, pieces[index].size) != 0:
            return 0
        p += pieces[index].size
    return 1


cdef void *_grown(void *block, size_t size) except NULL:
    block = PyMem_Realloc(block, size)
    if block == NULL:
        raise MemoryError
    return block


cdef class Scanner:
    """Reads messages into columns, which `taken` hands over.

    `number` gives the number of a label set (envelope's labels, own labels, driver, sku) that is met for the
    first time, -1 if it is none. It is asked once for each, until `clear`.
    """

    cdef object _number
    cdef Py_ssize_t _max_bytes
    cdef Known _known, _sources
    cdef list _names
    cdef Row *_rows
    cdef Py_ssize_t _count, _room
    cdef Sequence *_sequences
    cdef Py_ssize_t _sequence_count, _sequence_room
    cdef int64_t _message

    def __cinit__(self, number, Py_ssize_t max_message_bytes):
        self._number = number
        self._max_bytes = max_message_bytes
        self._known, self._sources, self._names = Known(), Known(), []

    def __dealloc__(self):
        PyMem_Free(self._rows)
        PyMem_Free(self._sequences)

    def clear(self):
        """Forget all label sets and sources."""
        self._known.clear()
        self._sources.clear()
        self._names = []

    def scan(self, values, Py_ssize_t first):
        """Read from message `first` on; returns the first one that is not plain, or the number of messages."""
        if isinstance(values, Messages):
            return self._scan_places(values.buffer, values.begins, values.sizes, first)
        cdef Py_ssize_t index
        for index in range(max(first, 0), len(values)):
            value = values[index]
            if type(value) is not bytes:
                return index
            self._message = index
            if not self._one(<Bytes> <const char *> <bytes> value, len(<bytes> value)):
                return index
        return len(values)

    cdef Py_ssize_t _scan_places(
        self, bytes buffer, const int64_t[::1] begins, const int64_t[::1] sizes, Py_ssize_t first
    ) except -1:
        cdef Bytes base = <Bytes> <const char *> buffer
        cdef Py_ssize_t index, size = len(buffer), count = min(len(begins), len(sizes))
        for index in range(max(first, 0), count):
            if not 0 <= begins[index] <= size or not 0 <= sizes[index] <= size - begins[index]:
                raise ValueError(f"message {index} does not lie in its buffer")
            self._message = index
            if not self._one(base + begins[index], sizes[index]):
                return index
        return count

    def taken(self):
        """Columns of the estimates read since the last call: message, start, end, series, cost_nusd, rest_ausd,
        quantity, cost_usd; then of the messages with a source or a sequence: message, source, epoch, seq (-1
        for none); and the names that `source` numbers."""
        cdef Py_ssize_t index
        whole = np.empty((6, self._count), np.int64)
        real = np.empty((2, self._count), np.float64)
        sequences = np.empty((4, self._sequence_count), np.int64)
        cdef int64_t[:, ::1] w = whole
        cdef double[:, ::1] r = real
        cdef int64_t[:, ::1] s = sequences
        cdef Row *row = self._rows
        for index in range(self._count):
            w[0, index], w[1, index], w[2, index] = row.message, row.start, row.end
            w[3, index], w[4, index], w[5, index] = row.series, row.cost_nusd, row.rest_ausd
            r[0, index], r[1, index] = row.quantity, row.cost_usd
            row += 1
        cdef Sequence *sequence = self._sequences
        for index in range(self._sequence_count):
            s[0, index], s[1, index] = sequence.message, sequence.source
            s[2, index], s[3, index] = sequence.epoch, sequence.seq
            sequence += 1
        self._count = self._sequence_count = 0
        names = self._names
        if len(names) >= MOST_SOURCES:  # their numbers mean nothing beyond this call
            self._sources.clear()
            self._names = []
        return whole, real, sequences, names

    cdef bint _one(self, Bytes p, Py_ssize_t size) except -1:
        """Read one message; what it has added so far is taken back where it turns out not to be plain."""
        cdef Py_ssize_t before = self._count
        cdef Bytes end = p + size
        cdef Fields fields
        if size > self._max_bytes:
            return False
        fields.seen = 0
        p = _blanks(p, end)
        if p < end and p[0] == c'[':
            p = self._array(p, end, NULL)
        elif p < end and p[0] == c'{':
            p = self._object(p, end, &fields, True)
            if p != NULL and not fields.seen & ESTIMATES and not self._estimate(&fields, NULL):
                p = NULL
        else:
            return False
        if p == NULL or _blanks(p, end) != end or not self._sequence(&fields, self._count > before):
            self._count = before
            return False
        return True

    cdef Bytes _array(self, Bytes p, Bytes end, Piece *shared) except? NULL:
        cdef Fields fields
        p = _blanks(p + 1, end)
        if p < end and p[0] == c']':
            return p + 1
        while p < end and p[0] == c'{':
            fields.seen = 0
            p = self._object(p, end, &fields, False)
            if p == NULL or not self._estimate(&fields, shared):
                return NULL
            p = _blanks(p, end)
            if p < end and p[0] == c']':
                return p + 1
            if p >= end or p[0] != c',':
                return NULL
            p = _blanks(p + 1, end)
        return NULL

    cdef Bytes _object(self, Bytes p, Bytes end, Fields *fields, bint top) except? NULL:
        """An estimate, or with `top` a message of either kind, whose estimates are read on the way."""
        cdef int allowed = OF_ESTIMATE | OF_MESSAGE | ESTIMATES if top else OF_ESTIMATE
        cdef int field
        cdef Py_ssize_t size = 0
        cdef Number number
        p = _blanks(p + 1, end)
        while True:
            field = _field(p, end, &size)
            if not field & allowed or field & fields.seen:
                return NULL
            p = _blanks(p + size, end)
            if p >= end or p[0] != c':':
                return NULL
            p = _blanks(p + 1, end)
            if field == START:
                p = _whole(p, end, &fields.start)
            elif field == END:
                p = _whole(p, end, &fields.end)
            elif field == DRIVER:
                p = _text(p, end, &fields.driver)
            elif field == QUANTITY:
                p = _number(p, end, &number)
                fields.quantity = number.value
            elif field == COST:
                p = _number(p, end, &number)
                if p != NULL and not _money(&number, fields):
                    return NULL
            elif field == LABELS:
                p = _labels(p, end, &fields.labels)
            elif field == SKU:
                p = _text(p, end, &fields.sku)
            elif field == SOURCE:
                p = _text(p, end, &fields.source)
            elif field == EPOCH:
                p = _whole(p, end, &fields.epoch)
            elif field == SEQ:
                p = _whole(p, end, &fields.seq)
            else:
                if fields.seen & ~OF_ENVELOPE or p >= end or p[0] != c'[':
                    return NULL
                p = self._array(p, end, &fields.labels if fields.seen & LABELS else NULL)
                allowed = OF_MESSAGE  # labels behind what they are shared by are not plain
            if p == NULL:
                return NULL
            fields.seen |= field
            p = _blanks(p, end)
            if p >= end:
                return NULL
            if p[0] == c'}':
                return p + 1
            if p[0] != c',':
                return NULL
            p = _blanks(p + 1, end)

    cdef bint _estimate(self, Fields *fields, Piece *shared) except -1:
        """Add an estimate, unless a field is missing or its label set is none."""
        cdef Row *row
        cdef int64_t series
        if fields.seen & NEEDED != NEEDED:
            return False
        series = self._series(fields, shared)
        if series < 0:
            return False
        if self._count == self._room:
            self._rows = <Row *> _grown(self._rows, (2 * self._room + 256) * sizeof(Row))
            self._room = 2 * self._room + 256
        row = &self._rows[self._count]
        self._count += 1
        row.message, row.series = self._message, series
        row.start, row.end = fields.start, fields.end
        row.quantity = fields.quantity if fields.seen & QUANTITY else MISSING
        row.cost_usd = fields.cost_usd if fields.seen & COST else MISSING
        row.cost_nusd = fields.cost_nusd if fields.seen & COST else 0
        row.rest_ausd = fields.rest_ausd if fields.seen & COST else 0
        return True

    cdef int64_t _series(self, Fields *fields, Piece *shared) except -2:
        """The number of the label set, -1 if it is none. Only here do bytes become Python objects."""
        cdef Piece[PIECES] pieces
        cdef Piece nothing = Piece(b"{}", 2)
        cdef uint64_t hash = self._known.seed
        cdef int64_t number
        cdef int index
        pieces[0] = nothing if shared == NULL else shared[0]
        pieces[1] = fields.labels if fields.seen & LABELS else nothing
        pieces[2] = fields.driver
        pieces[3] = fields.sku if fields.seen & SKU else Piece(b"", 0)
        for index in range(PIECES):
            hash = _hashed(hash, pieces[index])
        number = self._known.find(hash, pieces)
        if number < 0:
            try:
                key = _bytes(pieces[0]), _bytes(pieces[1]), _bytes(pieces[2]).decode(), _bytes(pieces[3]).decode()
            except UnicodeDecodeError:
                return -1
            number = self._number(key)
            if number >= 0:
                self._known.add(hash, pieces, number)
        return number

    cdef bint _sequence(self, Fields *fields, bint any) except -1:
        """Remember who sent a message that has any estimates; False if its source is no text."""
        cdef Piece[PIECES] pieces
        cdef Sequence *sequence
        cdef uint64_t hash
        cdef int64_t source
        if not fields.seen & (SOURCE | SEQ):
            return True
        pieces[0] = fields.source if fields.seen & SOURCE else Piece(b"", 0)
        pieces[1] = pieces[2] = pieces[3] = Piece(b"", 0)
        hash = _hashed(self._sources.seed, pieces[0])
        source = self._sources.find(hash, pieces)
        if source < 0:
            try:
                name = _bytes(pieces[0]).decode()
            except UnicodeDecodeError:
                return False
            source = len(self._names)
            self._sources.add(hash, pieces, source)
            self._names.append(name)
        if any:
            if self._sequence_count == self._sequence_room:
                self._sequences = <Sequence *> _grown(
                    self._sequences, (2 * self._sequence_room + 256) * sizeof(Sequence)
                )
                self._sequence_room = 2 * self._sequence_room + 256
            sequence = &self._sequences[self._sequence_count]
            self._sequence_count += 1
            sequence.message, sequence.source = self._message, source
            sequence.seq = fields.seq if fields.seen & SEQ else -1
            sequence.epoch = fields.epoch if fields.seen & EPOCH else 0
        return True


cdef bytes _bytes(Piece piece):
    return (<const char *> piece.at)[:piece.size]
