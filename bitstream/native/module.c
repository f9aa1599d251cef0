/* Python's names for entropy.c, `bitstream._entropy`: checks sizes, gives memory, releases the lock.

   Arrays are C-contiguous buffers: int32, but uint32 for frequencies and uint8 for what is packed.
   `compiled.py` is the only caller. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdlib.h>

#include "entropy.h"

/* --- arguments -------------------------------------------------------------------------------- */

static int wrong(const char *what) {
    PyErr_Format(PyExc_ValueError, "%s has another size than expected", what);
    return 0;
}

static int holds(const Py_buffer *buffer, int64_t numbers, const char *what) {
    return buffer->len == numbers * 4 || wrong(what);
}

static void release(Py_buffer *buffers, int count) {
    for (int i = 0; i < count; i++) {
        PyBuffer_Release(&buffers[i]);
    }
}

static int within(int64_t count, const void *numbers, int32_t limit, const char *what) {
    if (!bibc_within(count, numbers, limit)) {
        PyErr_Format(PyExc_ValueError, "a %s lies outside 0..%d", what, (int)limit - 1);
        return 0;
    }
    return 1;
}

static void *scratch_of(size_t size) {
    void *scratch = size ? malloc(size) : NULL;
    if (!scratch) {
        PyErr_NoMemory();
    }
    return scratch;
}

/* --- contexts --------------------------------------------------------------------------------- */

static PyObject *pack_stage(PyObject *self, PyObject *args) {
    enum { FEATURES, OWN, COARSE, PLACE, QUALITY, CENTRES, MOST, COUNT };
    Py_buffer b[COUNT];
    bibc_stage s;
    (void)self;
    if (!PyArg_ParseTuple(args, "(iiiiiii)y*y*y*y*y*y*w*", &s.symbols, &s.length, &s.dim, &s.centres,
                          &s.level, &s.side, &s.shift, &b[FEATURES], &b[OWN], &b[COARSE], &b[PLACE],
                          &b[QUALITY], &b[CENTRES], &b[MOST])) {
        return NULL;
    }
    PyObject *packed = NULL;
    const size_t size = bibc_stage_size(&s);
    const int64_t part = (int64_t)s.length * s.dim;
    if (size == 0) {
        packed = Py_NewRef(Py_None);
    } else if (holds(&b[FEATURES], (int64_t)s.symbols * s.length, "features") &&
               holds(&b[OWN], 5 * part, "own") &&
               holds(&b[COARSE], (int64_t)s.level * 3 * part, "coarse") &&
               holds(&b[PLACE], (int64_t)s.side * s.side * s.dim, "place") &&
               holds(&b[QUALITY], (int64_t)BIBC_QUALITIES * s.dim, "quality") &&
               holds(&b[CENTRES], (int64_t)s.centres * s.dim, "centres") &&
               (b[MOST].len >= (Py_ssize_t)(s.level + 1) * 8 || wrong("most"))) {
        packed = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (packed && !bibc_stage_pack(&s, b[FEATURES].buf, b[OWN].buf, b[COARSE].buf, b[PLACE].buf,
                                       b[QUALITY].buf, b[CENTRES].buf, b[MOST].buf,
                                       PyBytes_AsString(packed))) {
            Py_DECREF(packed);
            packed = Py_NewRef(Py_None);
        }
    }
    release(b, COUNT);
    return packed;
}

static PyObject *image_size(PyObject *self, PyObject *args) {
    Py_buffer cells;
    long long height, width;
    int length;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*LLi", &cells, &height, &width, &length)) {
        return NULL;
    }
    const size_t size = bibc_image_size((int32_t)(cells.len / 4), cells.buf, height, width, length);
    PyBuffer_Release(&cells);
    return size ? PyLong_FromSize_t(size) : PyErr_NoMemory();
}

static PyObject *begin_image(PyObject *self, PyObject *args) {
    Py_buffer b[2];
    long long height, width;
    int length;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*LLiw*", &b[0], &height, &width, &length, &b[1])) {
        return NULL;
    }
    const int32_t levels = (int32_t)(b[0].len / 4);
    const size_t size = bibc_image_size(levels, b[0].buf, height, width, length);
    const int right = (size && (size_t)b[1].len == size) || wrong("the image");
    if (right) {
        bibc_image_begin(levels, b[0].buf, height, width, length, b[1].buf);
    }
    release(b, 2);
    return right ? Py_NewRef(Py_None) : NULL;
}

/* The number of a stage's symbols in an image, -1 with an error if they or a grid do not match. */
static int64_t symbols_of(const Py_buffer *packed, const Py_buffer *image, const Py_buffer *grid) {
    const int64_t count = bibc_symbols(packed->buf, (size_t)packed->len, image->buf,
                                       (size_t)image->len);
    if (count < 0) {
        wrong("a packed stage or an image");
        return -1;
    }
    return holds(grid, count, "grid") ? count : -1;
}

static PyObject *tables(PyObject *self, PyObject *args) {
    enum { PACKED, IMAGE, GRID, IDS, COUNT };
    Py_buffer b[COUNT];
    int quality, colour;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*iiy*w*", &b[PACKED], &b[IMAGE], &quality, &colour, &b[GRID],
                          &b[IDS])) {
        return NULL;
    }
    int done = 0;
    const int64_t count = symbols_of(&b[PACKED], &b[IMAGE], &b[GRID]);
    const int32_t limit = count < 0 ? 0 : ((const bibc_stage *)b[PACKED].buf)->symbols;
    if (count >= 0 && holds(&b[IDS], (count + 1 - colour) / 2, "table_ids") &&
        ((0 <= quality && quality < BIBC_QUALITIES && 0 <= colour && colour < 2) ||
         wrong("quality or colour")) &&
        (colour == 0 || within(count, b[GRID].buf, limit, "symbol"))) {
        void *scratch = scratch_of(bibc_tables_scratch(b[PACKED].buf, b[IMAGE].buf));
        if (scratch) {
            Py_BEGIN_ALLOW_THREADS
            bibc_tables(b[PACKED].buf, b[IMAGE].buf, quality, colour, b[GRID].buf, b[IDS].buf,
                        scratch);
            Py_END_ALLOW_THREADS
            free(scratch);
            done = 1;
        }
    }
    release(b, COUNT);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *add(PyObject *self, PyObject *args) {
    enum { PACKED, IMAGE, GRID, COUNT };
    Py_buffer b[COUNT];
    (void)self;
    if (!PyArg_ParseTuple(args, "y*w*y*", &b[PACKED], &b[IMAGE], &b[GRID])) {
        return NULL;
    }
    const int64_t count = symbols_of(&b[PACKED], &b[IMAGE], &b[GRID]);
    const int done = count >= 0 && within(count, b[GRID].buf,
                                          ((const bibc_stage *)b[PACKED].buf)->symbols, "symbol");
    if (done) {
        Py_BEGIN_ALLOW_THREADS
        bibc_add(b[PACKED].buf, b[GRID].buf, b[IMAGE].buf);
        Py_END_ALLOW_THREADS
    }
    release(b, COUNT);
    return done ? Py_NewRef(Py_None) : NULL;
}

/* Moves the symbols of a pass into a grid, or out of it. */
static PyObject *move(PyObject *args, int into) {
    Py_buffer grid, symbols;
    long long rows, columns;
    int colour;
    if (!PyArg_ParseTuple(args, into ? "LLiw*y*" : "LLiy*w*", &rows, &columns, &colour, &grid,
                          &symbols)) {
        return NULL;
    }
    const int sizes = rows >= 0 && columns >= 0 && (colour == 0 || colour == 1) &&
                      (columns == 0 || rows <= INT64_MAX / 8 / columns);
    const int done = (sizes || wrong("the pass")) && holds(&grid, rows * columns, "grid") &&
                     holds(&symbols, (rows * columns + 1 - colour) / 2, "symbols");
    if (done && into) {
        bibc_put(rows, columns, colour, symbols.buf, grid.buf);
    } else if (done) {
        bibc_take(rows, columns, colour, grid.buf, symbols.buf);
    }
    PyBuffer_Release(&grid);
    PyBuffer_Release(&symbols);
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *put(PyObject *self, PyObject *args) {
    (void)self;
    return move(args, 1);
}

static PyObject *take(PyObject *self, PyObject *args) {
    (void)self;
    return move(args, 0);
}

/* --- the coder -------------------------------------------------------------------------------- */

/* The tables of a pass and how many symbols it has; 0 with an error if they do not match. */
static int pass_of(const Py_buffer *table_ids, const Py_buffer *frequencies, int symbols,
                   const Py_buffer *coded, int64_t *count, int32_t *tables) {
    if (symbols < 2 || symbols > BIBC_SYMBOLS || frequencies->len == 0 ||
        frequencies->len % (4 * (Py_ssize_t)symbols) ||
        frequencies->len / 4 / symbols > BIBC_SYMBOLS) {
        return wrong("frequencies");
    }
    *tables = (int32_t)(frequencies->len / 4 / symbols);
    *count = table_ids->len / 4;
    return holds(table_ids, *count, "table_ids") && holds(coded, *count, "symbols") &&
           within(*count, table_ids->buf, *tables, "table id");
}

static PyObject *read_symbols(PyObject *self, PyObject *args) {
    enum { DATA, IDS, FREQUENCIES, SYMBOLS, COUNT };
    Py_buffer b[COUNT];
    long long start;
    unsigned long long begun;
    int symbols;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*LKy*y*iw*", &b[DATA], &start, &begun, &b[IDS], &b[FREQUENCIES],
                          &symbols, &b[SYMBOLS])) {
        return NULL;
    }
    PyObject *result = NULL;
    int64_t count, at = start;
    int32_t tables;
    uint64_t state = begun;
    if (((0 <= start && start <= b[DATA].len) || wrong("the data")) &&
        pass_of(&b[IDS], &b[FREQUENCIES], symbols, &b[SYMBOLS], &count, &tables)) {
        void *scratch = scratch_of(bibc_coder_scratch(count, tables, symbols));
        if (scratch) {
            int whole;
            Py_BEGIN_ALLOW_THREADS
            whole = bibc_read(b[DATA].buf, b[DATA].len, &at, &state, count, b[IDS].buf, tables,
                              symbols, b[FREQUENCIES].buf, b[SYMBOLS].buf, scratch);
            Py_END_ALLOW_THREADS
            free(scratch);
            result = whole ? Py_BuildValue("(LK)", (long long)at, (unsigned long long)state)
                           : Py_NewRef(Py_None);
        }
    }
    release(b, COUNT);
    return result;
}

static PyObject *check(PyObject *self, PyObject *args) {
    enum { IDS, FREQUENCIES, SYMBOLS, COUNT };
    Py_buffer b[COUNT];
    int symbols;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*iy*", &b[IDS], &b[FREQUENCIES], &symbols, &b[SYMBOLS])) {
        return NULL;
    }
    int64_t count;
    int32_t tables;
    const int right =
        pass_of(&b[IDS], &b[FREQUENCIES], symbols, &b[SYMBOLS], &count, &tables) &&
        within(count, b[SYMBOLS].buf, symbols, "symbol");
    release(b, COUNT);
    return right ? Py_NewRef(Py_None) : NULL;
}

static PyObject *write_symbols(PyObject *self, PyObject *args) {
    enum { IDS, FREQUENCIES, SYMBOLS, COUNT };
    Py_buffer b[COUNT];
    unsigned long long begun;
    int symbols;
    (void)self;
    if (!PyArg_ParseTuple(args, "Ky*y*iy*", &begun, &b[IDS], &b[FREQUENCIES], &symbols,
                          &b[SYMBOLS])) {
        return NULL;
    }
    PyObject *result = NULL;
    int64_t count, length = 0;
    int32_t tables;
    uint64_t state = begun;
    if (pass_of(&b[IDS], &b[FREQUENCIES], symbols, &b[SYMBOLS], &count, &tables) &&
        within(count, b[SYMBOLS].buf, symbols, "symbol")) {
        const size_t size = bibc_coder_scratch(count, tables, symbols);
        uint8_t *memory = scratch_of(size ? size + 4 * (size_t)count : 0);
        if (memory) {
            uint8_t *out = memory + size;
            Py_BEGIN_ALLOW_THREADS
            length = bibc_write(&state, count, b[IDS].buf, tables, symbols, b[FREQUENCIES].buf,
                                b[SYMBOLS].buf, out, memory);
            Py_END_ALLOW_THREADS
            result = Py_BuildValue("(Ky#)", (unsigned long long)state, out + 4 * count - length,
                                   (Py_ssize_t)length);
            free(memory);
        }
    }
    release(b, COUNT);
    return result;
}

/* --- the module ------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"pack_stage", pack_stage, METH_VARARGS, "A stage's tensors packed, or None if they do not fit."},
    {"image_size", image_size, METH_VARARGS, "Bytes of an image."},
    {"begin_image", begin_image, METH_VARARGS, "Begin an image in memory of zeros."},
    {"tables", tables, METH_VARARGS, "Find the tables of a pass."},
    {"add", add, METH_VARARGS, "Add the features of a whole stage to its level's sums."},
    {"put", put, METH_VARARGS, "Put the symbols of a pass into a grid."},
    {"take", take, METH_VARARGS, "Take the symbols of a pass out of a grid."},
    {"check", check, METH_VARARGS, "Check the table ids and symbols of a pass."},
    {"read", read_symbols, METH_VARARGS, "Read a pass: where the next word is, and the state."},
    {"write", write_symbols, METH_VARARGS, "Write a pass: the state, and the words."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_entropy", "Contexts and entropy coder.", 0, methods, slots, NULL, NULL,
    NULL};

PyMODINIT_FUNC PyInit__entropy(void) { return PyModuleDef_Init(&definition); }
