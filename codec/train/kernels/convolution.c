/* 3x3 convolutions by Winograd's F(2x2, 3x3) in bfloat16: 16 products where 36 stand in the sums.

   Maps are [N][H][W][C]; C is a multiple of 16. Winograd: Y = A'((G w G') . (B' d B))A
   over tiles d of 4x4 pixels that step by 2. Products are of bfloat16, sums of float32. */

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, POINTS = 16, TILES = 48 /* that are transformed at once */ };

typedef uint16_t bf16;
typedef __m512 vec;

static inline vec load(const bf16 *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)), 16));
}

static inline __m256i rounded(vec x) { return (__m256i)_mm512_cvtneps_pbh(x); }

static inline void store(bf16 *to, vec x) { _mm256_storeu_si256((__m256i *)to, rounded(x)); }

/* b[0..3] = B' a: the input's transform along one side. */
#define INPUT(a0, a1, a2, a3, b0, b1, b2, b3) \
    do { b0 = a0 - a2; b1 = a1 + a2; b2 = a2 - a1; b3 = a1 - a3; } while (0)

typedef struct {
    int count, height, width, channels;
} shape;

static inline int tiles_of(const shape *s) { return s->count * ((s->height + 1) / 2) * ((s->width + 1) / 2); }

/* Where tile t is: image, row and column of its output. */
static inline void place_of(const shape *s, int t, int *image, int *y, int *x) {
    const int columns = (s->width + 1) / 2, rows = (s->height + 1) / 2;
    *x = t % columns * 2;
    *y = t / columns % rows * 2;
    *image = t / (columns * rows);
}

/* d[16] = B' of the 4x4 tile t, 16 channels from c on; outside of the map there are zeros. */
static inline void input_tile(const bf16 *map, const shape *s, int t, int c, vec d[POINTS]) {
    int image, y, x;
    place_of(s, t, &image, &y, &x);
    vec a[4][4];
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            const int v = y - 1 + i, u = x - 1 + j;
            const int inside = v >= 0 && v < s->height && u >= 0 && u < s->width;
            a[i][j] = inside ? load(map + (((size_t)image * s->height + v) * s->width + u) * s->channels + c)
                             : _mm512_setzero_ps();
        }
    }
    vec b[4][4];
    for (int j = 0; j < 4; j++) {
        INPUT(a[0][j], a[1][j], a[2][j], a[3][j], b[0][j], b[1][j], b[2][j], b[3][j]);
    }
    for (int i = 0; i < 4; i++) {
        INPUT(b[i][0], b[i][1], b[i][2], b[i][3], d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]);
    }
}

/* Sums of products of pairs: sum[r][j] += the pair at `left`, r steps on, times PANEL * LANES pairs at `right`. */
#define MULTIPLY(ROWS, PANEL, left, step, right)                             \
    do {                                                                     \
        __m512bh b_[PANEL];                                                  \
        for (int j = 0; j < PANEL; j++) {                                    \
            b_[j] = (__m512bh)_mm512_loadu_si512((right) + 2 * LANES * j);   \
        }                                                                    \
        for (int r = 0; r < ROWS; r++) {                                     \
            int32_t pair;                                                    \
            memcpy(&pair, (left) + (size_t)r * (step), 4);                   \
            const __m512bh a_ = (__m512bh)_mm512_set1_epi32(pair);           \
            for (int j = 0; j < PANEL; j++) {                                \
                sum[r][j] = _mm512_dpbf16_ps(sum[r][j], a_, b_[j]);          \
            }                                                                \
        }                                                                    \
    } while (0)

/* out[ROWS][PANEL * LANES] = in[ROWS][inner] . w, where w is [inner / 2][columns][2]. */
#define PRODUCT(NAME, ROWS, PANEL)                                                                              \
    static void NAME(const bf16 *in, const bf16 *w, int columns, int inner, float *out) {                        \
        vec sum[ROWS][PANEL];                                                                                    \
        memset(sum, 0, sizeof sum);                                                                              \
        for (int k = 0; k < inner; k += 2) {                                                                     \
            MULTIPLY(ROWS, PANEL, in + k, inner, w + (size_t)k * columns);                                       \
        }                                                                                                        \
        for (int r = 0; r < ROWS; r++) {                                                                         \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                _mm512_storeu_ps(out + (size_t)r * columns + LANES * j, sum[r][j]);                              \
            }                                                                                                    \
        }                                                                                                        \
    }

PRODUCT(product4, 6, 4)
PRODUCT(product3, 8, 3)
PRODUCT(product2, 12, 2)
PRODUCT(product1, 24, 1)

/* How many vectors of so many are multiplied at once, and with how many rows: most registers are sums. */
static int panel_of(int vectors) { return vectors % 4 == 0 ? 4 : vectors < 3 ? vectors : 3; }
static int rows_of(int panel) { return 24 / panel; }

/* out[rows][columns] = in[rows][inner] . w; rows are rounded up to a divisor of TILES. */
static void multiply(const bf16 *in, const bf16 *w, int rows, int columns, int inner, float *out) {
    for (int c = 0, panel; c < columns; c += panel * LANES) {
        panel = panel_of((columns - c) / LANES);
        for (int r = 0; r < rows; r += rows_of(panel)) {
            (panel == 4   ? product4
             : panel == 3 ? product3
             : panel == 2 ? product2
                          : product1)(in + (size_t)r * inner, w + 2 * c, columns, inner, out + (size_t)r * columns + c);
        }
    }
}

/* Y = conv(in, w) + bias; w is `weights` below. bias may be null. */
int bibc_convolve(int count, int height, int width, int channels, int outputs, const bf16 *in, const bf16 *w,
                  const float *bias, bf16 *out) {
    const shape from = {count, height, width, channels};
    const int tiles = tiles_of(&from);
    bf16 *v = aligned_alloc(64, sizeof(bf16) * POINTS * TILES * channels);
    float *m = aligned_alloc(64, sizeof(float) * POINTS * TILES * outputs);
    const int whole = v && m;
    for (int first = 0; whole && first < tiles; first += TILES) {
        const int here = tiles - first < TILES ? tiles - first : TILES;
        for (int t = 0; t < here; t++) {
            for (int c = 0; c < channels; c += LANES) {
                vec d[POINTS];
                input_tile(in, &from, first + t, c, d);
                for (int p = 0; p < POINTS; p++) {
                    store(v + ((size_t)p * TILES + t) * channels + c, d[p]);
                }
            }
        }
        for (int p = 0; p < POINTS; p++) {
            multiply(v + (size_t)p * TILES * channels, w + (size_t)p * channels * outputs, here, outputs, channels,
                     m + (size_t)p * TILES * outputs);
        }
        for (int t = 0; t < here; t++) {
            int image, y, x;
            place_of(&from, first + t, &image, &y, &x);
            bf16 *to = out + (((size_t)image * height + y) * width + x) * outputs;
            for (int c = 0; c < outputs; c += LANES) {
                vec a[2][4];
                for (int j = 0; j < 4; j++) {
                    vec q[4];
                    for (int i = 0; i < 4; i++) {
                        q[i] = _mm512_load_ps(m + ((size_t)(4 * i + j) * TILES + t) * outputs + c);
                    }
                    a[0][j] = q[0] + q[1] + q[2];
                    a[1][j] = q[1] - q[2] - q[3];
                }
                const vec b = bias ? _mm512_loadu_ps(bias + c) : _mm512_setzero_ps();
                for (int i = 0; i < 2 && y + i < height; i++) {
                    bf16 *row = to + (size_t)i * width * outputs + c;
                    store(row, a[i][0] + a[i][1] + a[i][2] + b);
                    if (x + 1 < width) {
                        store(row + outputs, a[i][1] - a[i][2] - a[i][3] + b);
                    }
                }
            }
        }
    }
    free(v);
    free(m);
    return whole ? 0 : -1;
}

/* The pairs of two tiles' or rows' numbers, channel by channel. */
static inline void store_pair(bf16 *to, vec first, vec second) {
    const __m512i low = _mm512_cvtepu16_epi32(rounded(first)), high = _mm512_cvtepu16_epi32(rounded(second));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

/* U = G w G' of 16 kernels of 3x3, which stand `stride` apart, by point. */
static inline void kernels(const float *w, int stride, vec u[POINTS]) {
    vec h[4][3];
    for (int j = 0; j < 3; j++) {
        const vec a = _mm512_loadu_ps(w + j * stride), b = _mm512_loadu_ps(w + (3 + j) * stride),
                  c = _mm512_loadu_ps(w + (6 + j) * stride);
        h[0][j] = a;
        h[1][j] = 0.5f * (a + b + c);
        h[2][j] = 0.5f * (a - b + c);
        h[3][j] = c;
    }
    for (int i = 0; i < 4; i++) {
        const vec a = h[i][0], b = h[i][1], c = h[i][2];
        u[4 * i] = a;
        u[4 * i + 1] = 0.5f * (a + b + c);
        u[4 * i + 2] = 0.5f * (a - b + c);
        u[4 * i + 3] = c;
    }
}

/* Weights [outputs][3][3][inputs] to [16][inputs / 2][outputs][2], and for the gradient of the inputs, turned
   by half a circle, to [16][outputs / 2][inputs][2]. */
int bibc_weights(int outputs, int inputs, const float *w, bf16 *forward, bf16 *backward) {
    static const int TURNED[4] = {3, 1, 2, 0}; /* the point of a turned kernel, along each side */
    const size_t point = (size_t)outputs * inputs;
    for (int o = 0; o < outputs; o += 2) {
        for (int i = 0; i < inputs; i += LANES) {
            vec u[2][POINTS];
            for (int k = 0; k < 2; k++) {
                kernels(w + (size_t)(o + k) * 9 * inputs + i, inputs, u[k]);
                for (int p = 0; p < POINTS; p++) {
                    bf16 pairs[LANES];
                    store(pairs, u[k][p]);
                    bf16 *to = forward + p * point + ((size_t)(i / 2) * outputs + o + k) * 2;
                    for (int pair = 0; pair < LANES / 2; pair++) {
                        memcpy(to + (size_t)pair * outputs * 2, pairs + 2 * pair, 4);
                    }
                }
            }
            for (int p = 0; p < POINTS; p++) {
                const int from = 4 * TURNED[p / 4] + TURNED[p % 4];
                store_pair(backward + p * point + ((size_t)(o / 2) * inputs + i) * 2, u[0][from], u[1][from]);
            }
        }
    }
    return 0;
}

enum { BATCH = 192 /* tiles that a sum of the weights' gradient takes at once */ };

/* d[16] = A y A' of the 2x2 outputs of tile t, 16 channels from c on. */
static inline void output_tile(const bf16 *map, const shape *s, int t, int c, vec d[POINTS]) {
    int image, y, x;
    place_of(s, t, &image, &y, &x);
    const bf16 *at = map + (((size_t)image * s->height + y) * s->width + x) * s->channels + c;
    const bf16 *below = at + (size_t)s->width * s->channels;
    const vec zero = _mm512_setzero_ps();
    const int right = x + 1 < s->width, low = y + 1 < s->height;
    const vec g[2][2] = {{load(at), right ? load(at + s->channels) : zero},
                         {low ? load(below) : zero, low && right ? load(below + s->channels) : zero}};
    vec h[4][2];
    for (int j = 0; j < 2; j++) {
        h[0][j] = g[0][j];
        h[1][j] = g[0][j] + g[1][j];
        h[2][j] = g[0][j] - g[1][j];
        h[3][j] = -g[1][j];
    }
    for (int i = 0; i < 4; i++) {
        d[4 * i] = h[i][0];
        d[4 * i + 1] = h[i][0] + h[i][1];
        d[4 * i + 2] = h[i][0] - h[i][1];
        d[4 * i + 3] = -h[i][1];
    }
}

/* Adds to out[ROWS][PANEL * LANES], in rows of `columns`, the products over pairs of tiles. */
#define OUTER(NAME, ROWS, PANEL)                                                                                \
    static void NAME(const bf16 *left, int rows, const bf16 *right, int columns, int pairs, float *out) {        \
        vec sum[ROWS][PANEL];                                                                                    \
        for (int r = 0; r < ROWS; r++) {                                                                         \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                sum[r][j] = _mm512_loadu_ps(out + (size_t)r * columns + LANES * j);                              \
            }                                                                                                    \
        }                                                                                                        \
        for (int k = 0; k < pairs; k++) {                                                                        \
            MULTIPLY(ROWS, PANEL, left + (size_t)k * rows * 2, 2, right + (size_t)k * columns * 2);              \
        }                                                                                                        \
        for (int r = 0; r < ROWS; r++) {                                                                         \
            for (int j = 0; j < PANEL; j++) {                                                                    \
                _mm512_storeu_ps(out + (size_t)r * columns + LANES * j, sum[r][j]);                              \
            }                                                                                                    \
        }                                                                                                        \
    }

OUTER(outer4, 4, 4)
OUTER(outer3, 8, 3)
OUTER(outer2, 8, 2)
OUTER(outer1, 16, 1)

/* The gradients of the weights, [outputs][3][3][inputs] float32, and of the bias, of inputs and of dY. */
int bibc_gradient(int count, int height, int width, int inputs, int outputs, const bf16 *in, const bf16 *slope,
                  float *weights, float *bias) {
    const shape from = {count, height, width, inputs}, to = {count, height, width, outputs};
    const int tiles = tiles_of(&from);
    const size_t point = (size_t)outputs * inputs;
    bf16 *v = aligned_alloc(64, sizeof(bf16) * POINTS * BATCH * inputs);
    bf16 *m = aligned_alloc(64, sizeof(bf16) * POINTS * BATCH * outputs);
    float *u = aligned_alloc(64, sizeof(float) * POINTS * point);
    const int whole = v && m && u;
    if (whole) {
        memset(u, 0, sizeof(float) * POINTS * point);
        memset(bias, 0, sizeof(float) * outputs);
    }
    for (int first = 0; whole && first < tiles; first += BATCH) {
        const int here = tiles - first < BATCH ? tiles - first : BATCH, pairs = (here + 1) / 2;
        for (int k = 0; k < pairs; k++) {
            const int t = first + 2 * k, both = 2 * k + 1 < here;
            vec a[POINTS], b[POINTS];
            memset(b, 0, sizeof b);
            for (int c = 0; c < inputs; c += LANES) {
                input_tile(in, &from, t, c, a);
                if (both) {
                    input_tile(in, &from, t + 1, c, b);
                }
                for (int p = 0; p < POINTS; p++) {
                    store_pair(v + (((size_t)p * BATCH / 2 + k) * inputs + c) * 2, a[p], b[p]);
                }
            }
            memset(b, 0, sizeof b);
            for (int c = 0; c < outputs; c += LANES) {
                output_tile(slope, &to, t, c, a);
                if (both) {
                    output_tile(slope, &to, t + 1, c, b);
                }
                for (int p = 0; p < POINTS; p++) {
                    store_pair(m + (((size_t)p * BATCH / 2 + k) * outputs + c) * 2, a[p], b[p]);
                }
                /* the sum of the 2x2 outputs is point (1, 1) */
                _mm512_storeu_ps(bias + c, _mm512_loadu_ps(bias + c) + a[5] + b[5]);
            }
        }
        /* rows: outputs, columns: inputs, so that the gradient has the weights' order */
        for (int p = 0; p < POINTS; p++) {
            const bf16 *vp = v + (size_t)p * BATCH * inputs, *mp = m + (size_t)p * BATCH * outputs;
            for (int i = 0, panel; i < inputs; i += panel * LANES) {
                panel = panel_of((inputs - i) / LANES);
                for (int o = 0; o < outputs; o += panel == 4 ? 4 : panel == 1 ? 16 : 8) {
                    (panel == 4   ? outer4
                     : panel == 3 ? outer3
                     : panel == 2 ? outer2
                                  : outer1)(mp + 2 * o, outputs, vp + 2 * i, inputs, pairs,
                                            u + p * point + (size_t)o * inputs + i);
                }
            }
        }
    }
    for (int o = 0; whole && o < outputs; o++) {
        for (int i = 0; i < inputs; i += LANES) {
            vec h[3][4];
            for (int j = 0; j < 4; j++) {
                vec q[4];
                for (int k = 0; k < 4; k++) {
                    q[k] = _mm512_load_ps(u + (4 * k + j) * point + (size_t)o * inputs + i);
                }
                const vec plus = 0.5f * (q[1] + q[2]), minus = 0.5f * (q[1] - q[2]);
                h[0][j] = q[0] + plus;
                h[1][j] = minus;
                h[2][j] = plus + q[3];
            }
            for (int k = 0; k < 3; k++) {
                const vec plus = 0.5f * (h[k][1] + h[k][2]), minus = 0.5f * (h[k][1] - h[k][2]);
                float *row = weights + ((size_t)o * 9 + 3 * k) * inputs + i;
                _mm512_storeu_ps(row, h[k][0] + plus);
                _mm512_storeu_ps(row + inputs, minus);
                _mm512_storeu_ps(row + 2 * inputs, plus + h[k][3]);
            }
        }
    }
    free(v);
    free(m);
    free(u);
    return whole ? 0 : -1;
}
