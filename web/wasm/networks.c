/* The layers of the networks, for wasm with 128-bit vectors: products of maps with matrices, and 3x3
   convolutions by Winograd's F(4x4, 3x3), which takes 36 products where 144 stand in the sums.

   Maps are [rows][columns][channels] of float32; channels are a multiple of 4 but where it is said.
   Matrices are in panels: [columns / 8 rounded up][inner][8], zeros beyond the last column. */

#include <stdint.h>

enum { LANES = 4, PANEL = 8, ROWS = 4, SIDE = 6, POINTS = SIDE * SIDE, STEP = 4 };

typedef float vec __attribute__((vector_size(16), aligned(4)));
typedef int32_t ints __attribute__((vector_size(16), aligned(4)));

static inline vec load(const float *from) { return *(const vec *)from; }
static inline void store(float *to, vec x) { *(vec *)to = x; }
static inline vec all(float x) { return (vec){x, x, x, x}; }
static inline int rounded_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

/* Floats of float16 numbers, none of them infinite. */
void bibc_widen(int count, const uint16_t *halves, float *out) {
    for (int i = 0; i < count; i++) {
        const union {
            uint32_t bits;
            float value;
        } magnitude = {(uint32_t)(halves[i] & 0x7fff) << 13};
        const float value = magnitude.value * 0x1p112f; /* the exponents' biases are 15 and 127 */
        out[i] = halves[i] & 0x8000 ? -value : value;
    }
}

/* sum[ROWS][PANEL] += in[ROWS][inner] . w, of one panel. */
static inline __attribute__((always_inline)) void block(const float *const in[ROWS], int inner, const float *w,
                                                        vec sum[ROWS][2]) {
    for (int k = 0; k < inner; k++, w += PANEL) {
        const vec left = load(w), right = load(w + LANES);
        for (int r = 0; r < ROWS; r++) {
            const vec x = all(in[r][k]);
            sum[r][0] += x * left;
            sum[r][1] += x * right;
        }
    }
}

/* One row of a map times a matrix; see bibc_multiply. */
static void multiply(int count, int inner, int columns, const float *in, int in_step, const float *w,
                     const float *bias, int add, float *out, int out_step) {
    for (int c = 0; c < columns; c += PANEL, w += inner * PANEL) {
        const int half = columns - c < PANEL;
        for (int first = 0; first < count; first += ROWS) {
            const int here = count - first < ROWS ? count - first : ROWS;
            const float *from[ROWS];
            vec sum[ROWS][2];
            for (int r = 0; r < ROWS; r++) {
                from[r] = in + (first + (r < here ? r : 0)) * in_step;
                sum[r][0] = bias ? load(bias + c) : all(0);
                sum[r][1] = bias && !half ? load(bias + c + LANES) : all(0);
            }
            block(from, inner, w, sum);
            for (int r = 0; r < here; r++) {
                float *to = out + (first + r) * out_step + c;
                store(to, add ? load(to) + sum[r][0] : sum[r][0]);
                if (!half) {
                    store(to + LANES, add ? load(to + LANES) + sum[r][1] : sum[r][1]);
                }
            }
        }
    }
}

/* out[first..end - 1][columns][outputs] (+)= in[..][columns][inner] . w + bias. Rows and columns stand as
   many floats apart as is said; inner may be any number; bias may be null. */
void bibc_multiply(int columns, int inner, int outputs, const float *in, int in_row, int in_column, const float *w,
                   const float *bias, int add, float *out, int out_row, int out_column, int first, int end) {
    for (int y = first; y < end; y++) {
        multiply(columns, inner, outputs, in + y * in_row, in_column, w, bias, add, out + y * out_row, out_column);
    }
}

/* b = B' a, the input's transform along one side; numbers stand `step` vectors apart in b. */
static inline __attribute__((always_inline)) void input_side(const vec a[SIDE], vec *b, int step) {
    const vec outer = a[4] - 4 * a[2], odd = a[3] - 4 * a[1], even = a[4] - a[2], twice = 2 * (a[3] - a[1]);
    b[0] = 4 * a[0] - 5 * a[2] + a[4];
    b[step] = outer + odd;
    b[2 * step] = outer - odd;
    b[3 * step] = even + twice;
    b[4 * step] = even - twice;
    b[5 * step] = 4 * a[1] - 5 * a[3] + a[5];
}

/* y = A' m, the output's transform along one side. */
static inline __attribute__((always_inline)) void output_side(const vec m[SIDE], vec *y, int step) {
    const vec sum = m[1] + m[2], difference = m[1] - m[2], far = m[3] + m[4], apart = m[3] - m[4];
    y[0] = m[0] + sum + far;
    y[step] = difference + 2 * apart;
    y[2 * step] = sum + 4 * far;
    y[3 * step] = difference + 8 * apart + m[5];
}

/* u = G g, a kernel's transform along one side. */
static inline void kernel_side(const float g[3], float *u, int step) {
    const float outer = g[0] + g[2], far = g[0] / 24 + g[2] / 6;
    u[0] = g[0] / 4;
    u[step] = -(outer + g[1]) / 6;
    u[2 * step] = -(outer - g[1]) / 6;
    u[3 * step] = far + g[1] / 12;
    u[4 * step] = far - g[1] / 12;
    u[5 * step] = g[2];
}

/* Floats that the weights of a convolution take once they are packed. */
int bibc_packed_size(int inputs, int outputs) { return POINTS * inputs * rounded_up(outputs, PANEL); }

/* Kernels [outputs][inputs][3][3] to a matrix a point; out holds zeros. */
void bibc_pack(int inputs, int outputs, const float *kernels, float *out) {
    const int point = inputs * rounded_up(outputs, PANEL);
    for (int o = 0; o < outputs; o++) {
        for (int i = 0; i < inputs; i++, kernels += 9) {
            float rows[SIDE][3], u[POINTS];
            for (int x = 0; x < 3; x++) {
                const float column[3] = {kernels[x], kernels[3 + x], kernels[6 + x]};
                kernel_side(column, &rows[0][x], 3);
            }
            for (int y = 0; y < SIDE; y++) {
                kernel_side(rows[y], u + SIDE * y, 1);
            }
            float *to = out + (o / PANEL * inputs + i) * PANEL + o % PANEL;
            for (int p = 0; p < POINTS; p++) {
                to[p * point] = u[p];
            }
        }
    }
}

typedef struct {
    int rows, columns, inputs, outputs;
} shape;

/* v[POINTS][tiles][inputs] of some tiles; outside of the map there are zeros. */
static void transform_input(const shape *s, const float *in, int first, int here, int tiles, float *v) {
    const int across = (s->columns + STEP - 1) / STEP;
    for (int t = 0; t < here; t++) {
        const int top = (first + t) / across * STEP - 1, left = (first + t) % across * STEP - 1;
        for (int c = 0; c < s->inputs; c += LANES) {
            vec half[POINTS], a[SIDE], b[SIDE];
            for (int x = 0; x < SIDE; x++) {
                for (int y = 0; y < SIDE; y++) {
                    const int row = top + y, column = left + x;
                    const int inside = row >= 0 && row < s->rows && column >= 0 && column < s->columns;
                    a[y] = inside ? load(in + (row * s->columns + column) * s->inputs + c) : all(0);
                }
                input_side(a, half + x, SIDE);
            }
            for (int y = 0; y < SIDE; y++) {
                input_side(half + SIDE * y, b, 1);
                for (int x = 0; x < SIDE; x++) {
                    store(v + ((SIDE * y + x) * tiles + t) * s->inputs + c, b[x]);
                }
            }
        }
    }
}

/* What becomes of the sums y of a convolution: scale * y + shift, at least 0 if `rectify`, + add. */
typedef struct {
    const float *scale, *shift, *add;
    int rectify;
} ending;

/* The map of some tiles' m[POINTS][tiles][padded]. */
static void transform_output(const shape *s, const float *m, int first, int here, int tiles, const ending *e,
                             float *out) {
    const int across = (s->columns + STEP - 1) / STEP, padded = rounded_up(s->outputs, PANEL);
    for (int t = 0; t < here; t++) {
        const int top = (first + t) / across * STEP, left = (first + t) % across * STEP;
        for (int c = 0; c < s->outputs; c += LANES) {
            vec half[STEP * SIDE], a[SIDE], y[STEP];
            for (int j = 0; j < SIDE; j++) {
                for (int i = 0; i < SIDE; i++) {
                    a[i] = load(m + ((SIDE * i + j) * tiles + t) * padded + c);
                }
                output_side(a, half + j, SIDE);
            }
            const vec scale = e->scale ? load(e->scale + c) : all(1), shift = load(e->shift + c);
            for (int i = 0; i < STEP && top + i < s->rows; i++) {
                output_side(half + SIDE * i, y, 1);
                for (int j = 0; j < STEP && left + j < s->columns; j++) {
                    const int at = ((top + i) * s->columns + left + j) * s->outputs + c;
                    vec sum = scale * y[j] + shift;
                    if (e->rectify) {
                        sum = (vec)((ints)sum & (sum > 0));
                    }
                    store(out + at, e->add ? sum + load(e->add + at) : sum);
                }
            }
        }
    }
}

/* out = the map `in` convolved with packed kernels, its tiles first..end - 1 of 4 x 4 places; `add` may be
   `out`, but `in` may not. scale and add may be null; scratch holds both transforms of `tiles` tiles, which
   are made at once: 36 * tiles * (inputs + outputs rounded up to 8) floats. */
void bibc_convolve(int rows, int columns, int inputs, int outputs, const float *in, const float *packed,
                   const float *scale, const float *shift, int rectify, const float *add, float *out,
                   float *scratch, int tiles, int first, int end) {
    const shape s = {rows, columns, inputs, outputs};
    const ending e = {scale, shift, add, rectify};
    const int padded = rounded_up(outputs, PANEL);
    float *v = scratch, *m = scratch + POINTS * tiles * inputs;
    for (; first < end; first += tiles) {
        const int here = end - first < tiles ? end - first : tiles;
        transform_input(&s, in, first, here, tiles, v);
        for (int p = 0; p < POINTS; p++) {
            multiply(here, inputs, padded, v + p * tiles * inputs, inputs, packed + p * inputs * padded, 0, 0,
                     m + p * tiles * padded, padded);
        }
        transform_output(&s, m, first, here, tiles, &e, out);
    }
}

/* Adds the channels [side][side][3] of each place to the pixels [rows * side][columns * side][3] under it. */
void bibc_spread(int rows, int columns, int side, const float *in, float *pixels) {
    const int run = 3 * side;
    for (int y = 0; y < rows; y++) {
        for (int x = 0; x < columns; x++) {
            for (int i = 0; i < side; i++, in += run) {
                float *to = pixels + ((y * side + i) * columns + x) * run;
                for (int k = 0; k < run; k++) {
                    to[k] += in[k];
                }
            }
        }
    }
}
