/* Linear transforms of the k x k blocks of images (`BlockTransform`): no copy of an image by blocks is made.

   A basis is [dim][3][k][k], latents are [N][H / k][W / k][dim]; images have any strides. All float32. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16, SUMS = 24 /* in registers */, LARGE = 6, WIDE = 4, SMALL = 2 /* vectors a row of them */ };
#else
enum { LANES = 8, SUMS = 12, LARGE = 3, WIDE = 2, SMALL = 1 };
#endif
enum { CHUNK = 40 /* blocks that are copied out at once */ };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));

typedef struct {
    int count, height, width, side, dim;
    int64_t image, channel, row, column; /* strides of the pixels */
} shape;

static inline int blocks_of(const shape *s) { return s->count * (s->height / s->side) * (s->width / s->side); }

/* Where block b begins among the pixels. */
static inline int64_t start_of(const shape *s, int b) {
    const int columns = s->width / s->side, rows = s->height / s->side;
    return b / (columns * rows) * s->image + (int64_t)(b / columns % rows) * s->side * s->row +
           (int64_t)(b % columns) * s->side * s->column;
}

/* out[b][0 .. panel * LANES] of `rows` blocks = pixels . basis, the basis in rows of one number a pixel. */
#define ANALYSIS(NAME, ROWS, PANEL)                                                                            \
    static void NAME(const shape *s, const float *pixels, int first, int rows, const float *basis, float *out) { \
        const float *block[ROWS];                                                                              \
        vec sum[ROWS][PANEL];                                                                                  \
        for (int r = 0; r < ROWS; r++) {                                                                       \
            block[r] = pixels + start_of(s, first + (r < rows ? r : rows - 1));                                \
            for (int j = 0; j < PANEL; j++) {                                                                  \
                sum[r][j] = (vec){0};                                                                          \
            }                                                                                                  \
        }                                                                                                      \
        for (int c = 0; c < 3; c++) {                                                                          \
            for (int y = 0; y < s->side; y++) {                                                                \
                int64_t at = c * s->channel + y * s->row;                                                      \
                for (int x = 0; x < s->side; x++, at += s->column, basis += s->dim) {                          \
                    vec b[PANEL];                                                                              \
                    for (int j = 0; j < PANEL; j++) {                                                          \
                        b[j] = *(const vec *)(basis + LANES * j);                                              \
                    }                                                                                          \
                    for (int r = 0; r < ROWS; r++) {                                                           \
                        for (int j = 0; j < PANEL; j++) {                                                      \
                            sum[r][j] += block[r][at] * b[j];                                                  \
                        }                                                                                      \
                    }                                                                                          \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
        for (int r = 0; r < rows && r < ROWS; r++) {                                                           \
            for (int j = 0; j < PANEL; j++) {                                                                  \
                *(vec *)(out + (size_t)(first + r) * s->dim + LANES * j) = sum[r][j];                          \
            }                                                                                                  \
        }                                                                                                      \
    }

ANALYSIS(analyse_large, SUMS / LARGE, LARGE)
ANALYSIS(analyse_wide, SUMS / WIDE, WIDE)
ANALYSIS(analyse_small, SUMS / SMALL, SMALL)
ANALYSIS(analyse_one, SUMS, 1)

/* Latents of all blocks; basis [3][k][k][dim], dim a multiple of 16. */
int bibc_analysis(const shape *s, const float *pixels, const float *basis, float *out) {
    const int blocks = blocks_of(s);
    for (int d = 0; d < s->dim;) {
        const int panels = (s->dim - d) / LANES;
        const int large = panels >= LARGE && panels != 2 * WIDE;
        const int panel = large ? LARGE : panels >= WIDE ? WIDE : panels >= SMALL ? SMALL : 1;
        const int rows = SUMS / panel;
        for (int b = 0; b < blocks; b += rows) {
            const int here = blocks - b < rows ? blocks - b : rows;
            (panel == LARGE   ? analyse_large
             : panel == WIDE  ? analyse_wide
             : panel == SMALL ? analyse_small
                              : analyse_one)(s, pixels, b, here, basis + d, out + d);
        }
        d += panel * LANES;
    }
    return 0;
}

/* Copies of blocks [rows][3][k][k], from their place among the pixels or back to it. */
static void copy(const shape *s, float *pixels, int first, int rows, float *blocks, int back) {
    for (int r = 0; r < rows; r++) {
        float *start = pixels + start_of(s, first + r);
        for (int c = 0; c < 3; c++) {
            for (int y = 0; y < s->side; y++, blocks += s->side) {
                float *at = start + c * s->channel + y * s->row;
                if (s->column == 1) {
                    if (back) {
                        memcpy(at, blocks, s->side * sizeof *at);
                    } else {
                        memcpy(blocks, at, s->side * sizeof *at);
                    }
                } else {
                    for (int x = 0; x < s->side; x++) {
                        if (back) {
                            at[x * s->column] = blocks[x];
                        } else {
                            blocks[x] = at[x * s->column];
                        }
                    }
                }
            }
        }
    }
}

/* out[rows][n] (+)= left[rows][inner] . right[inner][n]: left in rows and steps of these strides. */
#define PRODUCT(NAME, ROWS, PANEL)                                                                              \
    static void NAME(const float *left, int64_t row, int64_t step, int rows, int inner, const float *right,      \
                     int64_t n, float *out, int add) {                                                           \
        const float *at[ROWS];                                                                                   \
        vec sum[ROWS][PANEL];                                                                                    \
        for (int r = 0; r < ROWS; r++) {                                                                         \
            at[r] = left + (r < rows ? r : rows - 1) * row;                                                      \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                sum[r][j] = add && r < rows ? *(const vec *)(out + r * n + LANES * j) : (vec){0};                \
            }                                                                                                    \
        }                                                                                                        \
        for (int i = 0; i < inner; i++) {                                                                        \
            vec b[PANEL];                                                                                        \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                b[j] = *(const vec *)(right + i * n + LANES * j);                                                \
            }                                                                                                    \
            for (int r = 0; r < ROWS; r++) {                                                                     \
                for (int j = 0; j < PANEL; j++) {                                                                \
                    sum[r][j] += at[r][i * step] * b[j];                                                         \
                }                                                                                                \
            }                                                                                                    \
        }                                                                                                        \
        for (int r = 0; r < rows && r < ROWS; r++) {                                                             \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                *(vec *)(out + r * n + LANES * j) = sum[r][j];                                                   \
            }                                                                                                    \
        }                                                                                                        \
    }

PRODUCT(product_wide, 6, WIDE)
PRODUCT(product3, 8, 3)

/* out[rows][n] (+)= left . right, n a multiple of 48 or 64. */
static void product(const float *left, int64_t row, int64_t step, int rows, int inner, const float *right, int n,
                    float *out, int add) {
    const int panel = n % (WIDE * LANES) ? 3 : WIDE, block = panel == 3 ? 8 : 6;
    for (int j = 0; j < n; j += panel * LANES) {
        for (int r = 0; r < rows; r += block) {
            const int here = rows - r < block ? rows - r : block;
            (panel == 3 ? product3 : product_wide)(left + r * row, row, step, here, inner, right + j, n,
                                               out + (int64_t)r * n + j, add);
        }
    }
}

/* Pixels of all latents; basis [dim][3][k][k]. */
int bibc_synthesis(const shape *s, const float *latents, const float *basis, float *pixels) {
    const int blocks = blocks_of(s), n = 3 * s->side * s->side;
    float *some = aligned_alloc(64, sizeof *some * CHUNK * n);
    for (int b = 0; some && b < blocks; b += CHUNK) {
        const int here = blocks - b < CHUNK ? blocks - b : CHUNK;
        product(latents + (int64_t)b * s->dim, s->dim, 1, here, s->dim, basis, n, some, 0);
        copy(s, pixels, b, here, some, 1);
    }
    free(some);
    return some ? 0 : -1;
}

/* Sums over all blocks of latents times pixels: a basis' gradient [dim][3][k][k]. */
int bibc_outer(const shape *s, const float *latents, const float *pixels, float *out) {
    const int blocks = blocks_of(s), n = 3 * s->side * s->side;
    float *some = aligned_alloc(64, sizeof *some * CHUNK * n);
    for (int b = 0; some && b < blocks; b += CHUNK) {
        const int here = blocks - b < CHUNK ? blocks - b : CHUNK;
        copy(s, (float *)pixels, b, here, some, 0);
        product(latents + (int64_t)b * s->dim, 1, s->dim, s->dim, here, some, n, out, b > 0);
    }
    free(some);
    return some ? 0 : -1;
}
