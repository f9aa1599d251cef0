/* Contexts and entropy coder (FORMAT.md 4 and 6.2) in C, integers only, for Python and for wasm.

   Nothing here allocates, keeps anything between two calls, or leaves the memory that it is given:
   a packed stage, made once for a model; an image, which holds the sums of one image's features; and
   scratch, whose content means nothing between two calls. They hold no pointers, so that they may be
   copied and moved. Each begins at a multiple of 8 bytes. Sizes are in bytes. */

#ifndef BIBC_ENTROPY_H
#define BIBC_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

enum {
    BIBC_LEVELS = 64,   /* the most levels */
    BIBC_LENGTH = 64,   /* the largest R */
    BIBC_DIM = 42,      /* the largest D */
    BIBC_SYMBOLS = 1 << 16, /* the largest K and M */
    BIBC_QUALITIES = 101
};

/* The sizes of a stage's tensors, by FORMAT.md 6.2. */
typedef struct {
    int32_t symbols; /* K */
    int32_t length;  /* R */
    int32_t dim;     /* D */
    int32_t centres; /* M */
    int32_t level;   /* l: how many levels are coarser */
    int32_t side;    /* k: cells of the stage along a cell of the first */
    int32_t shift;
} bibc_stage;

/* The size of a packed stage; 0 if a number is outside its range or the size is out of reach. */
size_t bibc_stage_size(const bibc_stage *stage);

/* Packs a stage's tensors. `most` has for each level the largest absolute value that a number of a
   sum can have after the stages before; this stage's features are added to its level's. Returns 0 if
   a number does not fit 16 bits, or 4 sums together do not: such a stage is not for this code. The
   caller has checked that context sums fit 32 bits and that centres are within 4095. */
int bibc_stage_pack(const bibc_stage *stage, const int32_t *features, const int32_t *own,
                    const int32_t *coarse, const int32_t *place, const int32_t *quality,
                    const int32_t *centres, int64_t *most, void *packed);

/* The size of an image whose levels have cells of so many pixels, coarse to fine; 0 if a number is
   outside its range or the size is out of reach. */
size_t bibc_image_size(int32_t levels, const int32_t *cells, int64_t height, int64_t width,
                       int32_t length);

/* Begins an image in memory that is all zeros. */
void bibc_image_begin(int32_t levels, const int32_t *cells, int64_t height, int64_t width,
                      int32_t length, void *image);

/* The number of symbols of a stage in an image; -1 if memory of these sizes does not hold the two,
   or they do not belong together. */
int64_t bibc_symbols(const void *packed, size_t packed_size, const void *image, size_t image_size);

/* The tables of a pass, in raster order: of the places whose y + x is even (colour 0) or odd (1).
   In the second pass `grid` holds the symbols of the first one, each below K. */
size_t bibc_tables_scratch(const void *packed, const void *image);
void bibc_tables(const void *packed, const void *image, int32_t quality, int32_t colour,
                 const int32_t *grid, int32_t *table_ids, void *scratch);

/* Puts the symbols of a pass into a grid, or takes them out of it. */
void bibc_put(int64_t rows, int64_t columns, int32_t colour, const int32_t *symbols, int32_t *grid);
void bibc_take(int64_t rows, int64_t columns, int32_t colour, const int32_t *grid, int32_t *symbols);

/* Whether all symbols are within 0..limit - 1. */
int bibc_within(int64_t count, const int32_t *symbols, int32_t limit);

/* Adds the features of a whole stage to the sums of its level. */
void bibc_add(const void *packed, const int32_t *grid, void *image);

/* Reads a pass of `count` symbols (FORMAT.md 4.1, 4.2) of the tables uint32 [M, K] from big-endian
   words. `at` is the first byte that was not taken yet, `state` the coder's. Table ids are within
   0..M - 1. Returns 0 if the words ran out: less is left than any seal. */
size_t bibc_coder_scratch(int64_t count, int32_t tables, int32_t symbols);
int bibc_read(const uint8_t *data, int64_t size, int64_t *at, uint64_t *state, int64_t count,
              const int32_t *table_ids, int32_t tables, int32_t symbols,
              const uint32_t *frequencies, int32_t *read, void *scratch);

/* Writes a pass: the last pass of an image first. Its words go to the end of `out`, which has room
   for 4 * count bytes; returns how many bytes they take. They stand before those of the passes
   after it. */
int64_t bibc_write(uint64_t *state, int64_t count, const int32_t *table_ids, int32_t tables,
                   int32_t symbols, const uint32_t *frequencies, const int32_t *written,
                   uint8_t *out, void *scratch);

#endif
