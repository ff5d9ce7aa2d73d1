# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Reads plain envelopes in columns, without a Python object an estimate.

As in `scan.pyx`: what is not plain is not judged here, `read` gives None, and `columnar.py` says what it is.
Plain are known names, each once, and integers as integers. Of `labels` and `series` only the end is looked
for: the caller parses their bytes when they are new, and must take None for the answer if they are wrong.

No function reads a byte at or behind `end`. A pointer NULL means: not plain.
"""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcmp, memcpy
from cpython.mem cimport PyMem_Free, PyMem_Realloc

import numpy as np

from stream.meter.scan cimport Bytes, Number, Piece, _number

cdef int64_t PLAIN = 9007199254740992  # 2**53, as in columnar.py
cdef int64_t MAX_TIME_MS = 253402300799000  # as in columns.py
cdef double NANO = 1e9

# Columns, as places in a list.
cdef enum:
    SERIES
    START
    END
    COST_NUSD
    QUANTITY
    COLUMNS

cdef const char **NAMES = [b'"series"', b'"start"', b'"end"', b'"cost_nusd"', b'"quantity"']


cdef inline Bytes _blanks(Bytes p, Bytes end) noexcept:
    while p < end and (p[0] == 32 or p[0] == 10 or p[0] == 13 or p[0] == 9):
        p += 1
    return p


cdef inline bint _named(Bytes p, Bytes end, const char *name, Py_ssize_t *size) noexcept:
    cdef Py_ssize_t length = 0
    while name[length]:
        length += 1
    size[0] = length
    return end - p >= length and memcmp(p, name, length) == 0


cdef inline Bytes _colon(Bytes p, Bytes end) noexcept:
    p = _blanks(p, end)
    return _blanks(p + 1, end) if p < end and p[0] == c':' else NULL


cdef inline Bytes _string(Bytes p, Bytes end) noexcept:
    """Behind the string that begins here."""
    p += 1
    while p < end and p[0] != c'"':
        if p[0] < 32:
            return NULL
        p += 1 + (p[0] == c'\\')
    return p + 1 if p < end else NULL


cdef Bytes _bracketed(Bytes p, Bytes end, uint8_t opening, Piece *found) noexcept:
    """An array or object, up to where its brackets are closed; of what is in it only strings are known."""
    cdef int depth = 0
    found.at = p
    if p >= end or p[0] != opening:
        return NULL
    while p < end:
        if p[0] == c'"':
            p = _string(p, end)
            if p is NULL:
                return NULL
            continue
        if p[0] == c'{' or p[0] == c'[':
            depth += 1
        elif p[0] == c'}' or p[0] == c']':
            depth -= 1
            if not depth:
                found.size = p + 1 - found.at
                return p + 1
        p += 1
    return NULL


cdef inline Bytes _integer(Bytes p, Bytes end, int64_t *found) noexcept:
    """An integer of up to 18 digits. What follows it is for the caller to like."""
    cdef int64_t value = 0
    cdef bint negative = p < end and p[0] == c'-'
    cdef Bytes first
    p += negative
    first = p
    while p < end and c'0' <= p[0] <= c'9':
        value = value * 10 + (p[0] - c'0')
        p += 1
        if p - first > 18:
            return NULL
    if p == first or (first[0] == c'0' and p - first > 1):
        return NULL
    found[0] = -value if negative else value
    return p


cdef enum:
    MOST_SOURCES = 1000
    MOST_SERIES_BYTES = 32768  # of one source: 32 MB in all


cdef class ColumnScanner:
    """Reads one envelope at a time.

    Agents send the same list of series again and again, so the last one of each source is known: then its end
    is not looked for, and the caller gets the same object, whose hash is known.
    """

    cdef dict known
    cdef int64_t *room  # a column before its length is known; doubles take as much
    cdef Py_ssize_t size
    cdef list columns  # as arrays; None for one that is not there
    cdef Py_ssize_t count

    def __cinit__(self):
        self.known = {}

    def __dealloc__(self):
        PyMem_Free(self.room)

    def read(self, bytes value):
        """(source, epoch, seq, labels, series, whole, quantity), or None where the envelope is not plain.

        `labels` and `series` are bytes. `whole` are arrays: place in `series`, start, end and cost_nusd,
        which may be None, as may `quantity`. Times are from the epoch, within what a calendar holds.
        """
        cdef Bytes p = value
        cdef Bytes end = p + len(value)
        cdef Piece source, labels, series
        cdef int64_t epoch = 0, seq = -1, origin = 0
        cdef Py_ssize_t size
        cdef int seen = 0, name
        cdef bytes sent = None, last
        source.size = labels.size = series.size = 0
        self.columns = None
        p = _blanks(p, end)
        if p >= end or p[0] != c'{':
            return None
        while True:
            p = _blanks(p + 1, end)  # behind the brace or the comma
            if _named(p, end, b'"source"', &size):
                name = 1
            elif _named(p, end, b'"epoch"', &size):
                name = 2
            elif _named(p, end, b'"seq"', &size):
                name = 4
            elif _named(p, end, b'"labels"', &size):
                name = 8
            elif _named(p, end, b'"series"', &size):
                name = 16
            elif _named(p, end, b'"origin"', &size):
                name = 32
            elif _named(p, end, b'"columns"', &size):
                name = 64
            else:
                return None
            if seen & name:
                return None
            seen |= name
            p = _colon(p + size, end)
            if p is NULL or p >= end:
                return None
            if name == 1:
                source.at = p + 1
                if p[0] != c'"':
                    return None
                p = _string(p, end)
                if p is not NULL:
                    source.size = p - 1 - source.at
            elif name == 2:
                p = _integer(p, end, &epoch)
            elif name == 4:
                p = _integer(p, end, &seq)
            elif name == 8:
                p = _bracketed(p, end, c'{', &labels)
            elif name == 16:
                last = self.known.get(source.at[:source.size]) if source.size else None
                if last is not None and end - p >= len(last) and not memcmp(p, <Bytes> last, len(last)):
                    sent = last
                    p += len(last)
                else:
                    p = _bracketed(p, end, c'[', &series)
            elif name == 32:
                p = _integer(p, end, &origin)
            else:
                p = self._columns(p, end)
            if p is NULL:
                return None
            p = _blanks(p, end)
            if p >= end:
                return None
            if p[0] == c'}':
                break
            if p[0] != c',':
                return None
        if _blanks(p + 1, end) != end or not seen & 16 or self.columns is None:
            return None
        if not -PLAIN <= origin <= PLAIN or b"\\" in source.at[:source.size]:
            return None
        try:
            sent_by = source.at[:source.size].decode()
        except UnicodeDecodeError:
            return None
        columns = self._even()
        if columns is None:
            return None
        _move(columns[START], origin)
        _move(columns[END], origin)
        shared = labels.at[:labels.size] if labels.size else b"{}"
        if sent is None:
            sent = series.at[:series.size]
            if source.size and series.size <= MOST_SERIES_BYTES:
                if len(self.known) >= MOST_SOURCES:
                    self.known.clear()
                self.known[source.at[:source.size]] = sent
        return sent_by, epoch, seq, shared, sent, tuple(columns[:QUANTITY]), columns[QUANTITY]

    cdef Bytes _columns(self, Bytes p, Bytes end) except? NULL:
        cdef Py_ssize_t size
        cdef int name
        if p[0] != c'{':
            return NULL
        self.columns = [None] * COLUMNS
        while True:
            p = _blanks(p + 1, end)
            for name in range(COLUMNS):
                if _named(p, end, NAMES[name], &size):
                    break
            else:
                return NULL
            if self.columns[name] is not None:
                return NULL
            p = _colon(p + size, end)
            if p is NULL or p >= end:
                return NULL
            p = self._column(p, end, name)
            if p is NULL:
                return NULL
            p = _blanks(p, end)
            if p >= end:
                return NULL
            if p[0] == c'}':
                return p + 1
            if p[0] != c',':
                return NULL

    cdef Bytes _column(self, Bytes p, Bytes end, int name) except? NULL:
        """A list, or one value: that makes an array without dimensions."""
        cdef bint is_list = p[0] == c'['
        cdef Py_ssize_t count = 0, room = 0
        cdef int64_t whole = 0
        cdef Number number
        cdef double *real
        if is_list:
            p = _blanks(p + 1, end)
        while True:
            if count == self.size:
                self._grow()
            real = <double *> self.room
            if name == QUANTITY:
                if p < end and p[0] == c'"':
                    return NULL
                p = _number(p, end, &number)
                if p is NULL:
                    return NULL
                real[count] = number.value
            else:
                p = _integer(p, end, &whole)
                if p is NULL or not -PLAIN <= whole <= PLAIN:
                    return NULL
                self.room[count] = whole
            count += 1
            if not is_list:
                break
            if p < end and p[0] != c',' and p[0] != c']':
                p = _blanks(p, end)
            if p >= end:
                return NULL
            if p[0] == c']':
                p += 1
                break
            if p[0] != c',':
                return NULL
            p += 1
            if p < end and p[0] <= 32:
                p = _blanks(p, end)
        array = np.empty(count if is_list else (), np.float64 if name == QUANTITY else np.int64)
        cdef Py_ssize_t bytes_ = count * 8
        cdef uint8_t[::1] memory
        memory = array.reshape(-1).view(np.uint8)
        memcpy(&memory[0], self.room, bytes_)
        self.columns[name] = array
        return p

    cdef int _grow(self) except -1:
        cdef Py_ssize_t size = max(1024, self.size * 2)
        cdef void *room = PyMem_Realloc(self.room, size * 8)
        if room is NULL:
            raise MemoryError
        self.room, self.size = <int64_t *> room, size
        return 0

    cdef list _even(self):
        """The columns, all as long as that of the series; or None."""
        series, start, end = self.columns[:3]
        if series is None or start is None or end is None or not series.ndim:
            return None
        even = []
        for column in self.columns:
            if column is not None and not column.ndim:
                column = np.full(len(series), column)
            elif column is not None and len(column) != len(series):
                return None
            even.append(column)
        return even


cdef int _move(int64_t[::1] times, int64_t origin) except -1:
    cdef Py_ssize_t k
    for k in range(times.shape[0]):
        times[k] = max(-MAX_TIME_MS, min(times[k] + origin, MAX_TIME_MS))
    return 0
