# What other compiled readers share with `scan.pyx`.

from libc.stdint cimport int64_t, uint8_t

ctypedef const uint8_t *Bytes

cdef struct Piece:
    Bytes at
    Py_ssize_t size

cdef struct Number:
    double value
    int64_t digits  # the number is digits * 10**exponent, with its sign
    int exponent
    bint negative

cdef Bytes _number(Bytes p, Bytes end, Number *found) except? NULL
