# The same through cffi.
import time
from cffi import FFI

ffi = FFI()
ffi.cdef("void qsort(void *, size_t, size_t, int (*)(const void *, const void *));")
compare = ffi.callback("int(const void *, const void *)", lambda a, b: ffi.cast("int *", a)[0] - ffi.cast("int *", b)[0])
libc = ffi.dlopen(None)
while True:
    libc.qsort(ffi.new("int[]", [5, 1, 4]), 3, 4, compare)
    time.sleep(0.2)
