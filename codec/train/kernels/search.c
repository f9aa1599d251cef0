/* Beam search over the codebooks of a level, see `ResidualQuantizer.search`. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16, PANEL = 4 }; /* ROWS * PANEL sums stay in registers */
#else
enum { LANES = 8, PANEL = 2 };
#endif
enum { ROWS = 6, COLUMNS = 64, MOST_WIDTH = 32, MOST_STAGES = 64, BLOCK = 24 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t mask __attribute__((vector_size(4 * LANES)));

/* out[r][k] = cost[r] + offset[k] + rows[r] . book[:, k]; the book in panels [K / COLUMNS][dim][COLUMNS]. */
static void score(const float *rows, const float *cost, int count, int dim, const float *book,
                  const float *offset, int codes, float *out) {
    for (int k = 0; k < codes; k += PANEL * LANES) {
        const float *panel = book + (size_t)(k - k % COLUMNS) * dim + k % COLUMNS;
        for (int first = 0; first < count; first += ROWS) {
            const float *row[ROWS];
            vec sum[ROWS][PANEL];
            for (int r = 0; r < ROWS; r++) {
                const int at = first + r < count ? first + r : count - 1;
                row[r] = rows + (size_t)at * dim;
                for (int j = 0; j < PANEL; j++) {
                    sum[r][j] = *(const vec *)(offset + k + LANES * j) + cost[at];
                }
            }
            for (int d = 0; d < dim; d++) {
                vec b[PANEL];
                for (int j = 0; j < PANEL; j++) {
                    b[j] = *(const vec *)(panel + COLUMNS * d + LANES * j);
                }
                for (int r = 0; r < ROWS; r++) {
                    for (int j = 0; j < PANEL; j++) {
                        sum[r][j] += row[r][d] * b[j];
                    }
                }
            }
            for (int r = 0; r < ROWS && first + r < count; r++) {
                float *to = out + (size_t)(first + r) * codes + k;
                for (int j = 0; j < PANEL; j++) {
                    *(vec *)(to + LANES * j) = sum[r][j];
                }
            }
        }
    }
}

/* The `width` least of `count` numbers, ascending, and where they stand; what is not a number comes last.

   count is a multiple of LANES. Returns how many were found: `width`, or all. */
static int least(const float *numbers, int count, int width, float *value, int32_t *place) {
    int found = 0;
    float worst = __builtin_inff();
    for (int at = 0; at < count; at += LANES) {
        const mask below = *(const vec *)(numbers + at) < worst;
        const int64_t *some = (const int64_t *)&below;
        int64_t any = 0;
        for (int i = 0; i < LANES / 2; i++) {
            any |= some[i];
        }
        if (!any) {
            continue;
        }
        for (int lane = 0; lane < LANES; lane++) {
            const float number = numbers[at + lane];
            if (!(number < worst)) {
                continue;
            }
            int slot = found < width ? found++ : width - 1;
            for (; slot && value[slot - 1] > number; slot--) {
                value[slot] = value[slot - 1];
                place[slot] = place[slot - 1];
            }
            value[slot] = number;
            place[slot] = at + lane;
            if (found == width) {
                worst = value[width - 1];
            }
        }
    }
    for (; found < width && found < count; found++) {
        value[found] = __builtin_inff();
        place[found] = found;
    }
    return found;
}

typedef struct {
    int kept;
    float cost[MOST_WIDTH];
    uint16_t codes[MOST_WIDTH][MOST_STAGES];
} beam;

/* Codes [n][stages] of n vectors [n][dim]; panels and offsets per stage, see `score`; -1: no memory. */
int bibc_search(int n, int dim, int stages, int codes, int width, const float *latent, const float *panels,
                const float *books, const float *offsets, int64_t *out) {
    const size_t rows = (size_t)BLOCK * width;
    float *rest = malloc(rows * dim * sizeof *rest), *next = malloc(rows * dim * sizeof *next);
    float *scores = malloc(rows * codes * sizeof *scores), *cost = malloc(rows * sizeof *cost);
    beam *beams = malloc(2 * BLOCK * sizeof *beams);
    const int whole = rest && next && scores && cost && beams;
    for (int first = 0; whole && first < n; first += BLOCK) {
        const int here = n - first < BLOCK ? n - first : BLOCK;
        beam *old = beams, *new = beams + BLOCK;
        memcpy(rest, latent + (size_t)first * dim, (size_t)here * dim * sizeof *rest);
        memset(cost, 0, here * sizeof *cost);
        int parts = 1;
        for (int i = 0; i < here; i++) {
            old[i].kept = 1;
        }
        for (int s = 0; s < stages; s++) {
            const float *book = books + (size_t)s * codes * dim;
            score(rest, cost, here * parts, dim, panels + (size_t)s * codes * dim,
                  offsets + (size_t)s * codes, codes, scores);
            int kept = 0;
            for (int i = 0; i < here; i++) {
                int32_t place[MOST_WIDTH];
                kept = least(scores + (size_t)i * parts * codes, parts * codes, width, new[i].cost, place);
                for (int b = 0; b < kept; b++) {
                    const int parent = place[b] / codes, code = place[b] % codes;
                    memcpy(new[i].codes[b], old[i].codes[parent], s * sizeof(uint16_t));
                    new[i].codes[b][s] = (uint16_t)code;
                    const float *from = rest + ((size_t)i * parts + parent) * dim, *c = book + (size_t)code * dim;
                    float *to = next + ((size_t)i * kept + b) * dim;
                    for (int d = 0; d < dim; d++) {
                        to[d] = from[d] - c[d];
                    }
                    cost[i * kept + b] = new[i].cost[b];
                }
            }
            parts = kept;
            float *swap = rest;
            rest = next;
            next = swap;
            beam *swapped = old;
            old = new;
            new = swapped;
        }
        for (int i = 0; i < here; i++) {
            for (int s = 0; s < stages; s++) {
                out[(size_t)(first + i) * stages + s] = old[i].codes[0][s];
            }
        }
    }
    free(rest);
    free(next);
    free(scores);
    free(cost);
    free(beams);
    return whole ? 0 : -1;
}
