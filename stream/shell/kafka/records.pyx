# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Finds the messages in record batches of Kafka's format v2 without an object a record.

The format is public (kafka.apache.org/documentation/#recordbatch). A batch that is compressed or not as it
says is not judged here: `add` refuses it, and aiokafka reads it, or says what is wrong.
"""

from array import array

from cpython cimport array as arrays
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    /* CRC-32C by the processor's own instruction: a third of the time of tables. -1: it has none. */
    #if defined(__x86_64__) && defined(__GNUC__)
    __attribute__((target("sse4.2")))
    static int64_t burnline_crc32c(const uint8_t *p, size_t size) {
        uint64_t crc = 0xFFFFFFFF, word;
        if (!__builtin_cpu_supports("sse4.2")) return -1;
        for (; size >= 8; p += 8, size -= 8) {
            memcpy(&word, p, 8);
            crc = __builtin_ia32_crc32di(crc, word);
        }
        for (; size; p++, size--) crc = __builtin_ia32_crc32qi((uint32_t) crc, *p);
        return (uint32_t) crc ^ 0xFFFFFFFF;
    }
    #else
    static int64_t burnline_crc32c(const uint8_t *p, size_t size) { return -1; }
    #endif
    """
    int64_t burnline_crc32c(const uint8_t *p, size_t size) noexcept

# Where the fields of a batch begin.
cdef enum:
    LENGTH = 8
    MAGIC = 16
    CRC = 17
    ATTRIBUTES = 21
    FIRST_TIMESTAMP = 27
    MAX_TIMESTAMP = 35
    COUNT = 57
    RECORDS = 61

cdef enum:
    LOG_OVERHEAD = 12  # what `length` does not count
    COMPRESSED = 7  # bits of the attributes
    LOG_APPEND_TIME = 8

cdef arrays.array EMPTY = array("q")


cdef inline int64_t _big_endian(const uint8_t *p, int size) noexcept:
    cdef uint64_t value = 0
    cdef int index
    for index in range(size):
        value = value << 8 | p[index]
    return <int64_t> value


cdef inline const uint8_t *_varint(const uint8_t *p, const uint8_t *end, int64_t *found) noexcept:
    """A zigzag number; NULL where it does not end in time."""
    cdef uint64_t value = 0
    cdef int shift = 0
    while p != NULL and p < end and shift < 64:
        value |= <uint64_t> (p[0] & 0x7F) << shift
        if p[0] < 0x80:
            found[0] = <int64_t> (value >> 1) ^ -<int64_t> (value & 1)
            return p + 1
        p += 1
        shift += 7
    return NULL


cdef inline const uint8_t *_skip(const uint8_t *p, const uint8_t *end, int64_t *size) noexcept:
    """Past bytes with their size before them, which is -1 for null."""
    p = _varint(p, end, size)
    if p == NULL or size[0] < -1 or size[0] > end - p:
        return NULL
    return p + size[0] if size[0] > 0 else p


cdef class Records:
    """Places of messages in what was fetched of one partition, gathered batch by batch."""

    cdef bytes _buffer
    cdef arrays.array _columns  # begin, size, offset and time of each message, one after the other
    cdef Py_ssize_t _count

    def __init__(self, bytes buffer):
        self._buffer = buffer
        self._columns = arrays.clone(EMPTY, 4 * 1024, zero=False)
        self._count = 0

    def __len__(self):
        return self._count

    def sound(self, Py_ssize_t at):
        """Whether the checksum of the batch at `at` is right; None where that can't be told here."""
        cdef const uint8_t *p = <const uint8_t *> <const char *> self._buffer + at
        cdef int64_t length, found
        if at < 0 or len(self._buffer) - at < RECORDS:
            return None
        length = <int32_t> _big_endian(p + LENGTH, 4) + LOG_OVERHEAD
        if length < RECORDS or length > len(self._buffer) - at or p[MAGIC] != 2:
            return None
        found = burnline_crc32c(p + ATTRIBUTES, length - ATTRIBUTES)
        return None if found < 0 else found == _big_endian(p + CRC, 4)

    def add(self, Py_ssize_t at, int64_t first_offset):
        """Take the batch that begins at `at`, from `first_offset` on. False if it can't be read here."""
        cdef const uint8_t *base = <const uint8_t *> <const char *> self._buffer
        cdef Py_ssize_t size = len(self._buffer)
        cdef const uint8_t *p
        cdef const uint8_t *end
        cdef const uint8_t *stop
        cdef int64_t attributes, base_offset, first_ms, time_ms = 0, length = 0, number = 0, skipped = 0
        cdef int64_t begin, left, last = -1, before = self._count
        if at < 0 or size - at < RECORDS:
            return False
        p = base + at
        length = <int32_t> _big_endian(p + LENGTH, 4) + LOG_OVERHEAD
        attributes = _big_endian(p + ATTRIBUTES, 2)
        if length < RECORDS or length > size - at or p[MAGIC] != 2 or attributes & COMPRESSED:
            return False
        base_offset, first_ms = _big_endian(p, 8), _big_endian(p + FIRST_TIMESTAMP, 8)
        left = <int32_t> _big_endian(p + COUNT, 4)
        end = p + length
        if attributes & LOG_APPEND_TIME:
            first_ms = _big_endian(p + MAX_TIMESTAMP, 8)
        p += RECORDS
        while left > 0:
            p = _varint(p, end, &length)
            if p == NULL or length < 1 or length > end - p or p[0]:  # attributes of a record: unused
                break
            stop = p + length
            p = _varint(p + 1, stop, &time_ms)
            p = _varint(p, stop, &number)
            p = _skip(p, stop, &skipped) if p != NULL else NULL
            p = _varint(p, stop, &length)
            if p == NULL or length < -1 or length > stop - p:
                break
            begin = p - base
            length = max(length, 0)  # of a deleted row the value is empty
            p = _headers(p + length, stop)
            if p != stop or number <= last:
                break
            left -= 1
            last = number
            if attributes & LOG_APPEND_TIME:
                time_ms = 0
            if base_offset + number >= first_offset:
                self._append(begin, length, base_offset + number, first_ms + time_ms)
        if left or p != end:
            self._count = before
            return False
        return True

    cdef int _append(self, int64_t begin, int64_t size, int64_t offset, int64_t time_ms) except -1:
        cdef int64_t *row
        if 4 * self._count == len(self._columns):
            arrays.resize(self._columns, 8 * self._count)
        row = <int64_t *> self._columns.data.as_longlongs + 4 * self._count
        row[0], row[1], row[2], row[3] = begin, size, offset, time_ms
        self._count += 1
        return 0

    def taken(self):
        """Begins, sizes, offsets and times of what was added since the last call."""
        cdef int64_t *row = <int64_t *> self._columns.data.as_longlongs
        cdef arrays.array begins = arrays.clone(EMPTY, self._count, zero=False)
        cdef arrays.array sizes = arrays.clone(EMPTY, self._count, zero=False)
        cdef arrays.array offsets = arrays.clone(EMPTY, self._count, zero=False)
        cdef arrays.array times = arrays.clone(EMPTY, self._count, zero=False)
        cdef Py_ssize_t index
        for index in range(self._count):
            begins.data.as_longlongs[index] = row[0]
            sizes.data.as_longlongs[index] = row[1]
            offsets.data.as_longlongs[index] = row[2]
            times.data.as_longlongs[index] = row[3]
            row += 4
        self._count = 0
        return begins, sizes, offsets, times


cdef const uint8_t *_headers(const uint8_t *p, const uint8_t *end) noexcept:
    cdef int64_t left = 0, size = 0
    p = _varint(p, end, &left)
    if left < 0:
        return NULL
    while p != NULL and left > 0:
        p = _skip(p, end, &size)
        if p == NULL or size < 0:  # a header has a name
            return NULL
        p = _skip(p, end, &size)
        left -= 1
    return p
