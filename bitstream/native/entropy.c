#include "entropy.h"

#include <string.h>

#include "vectors.h"

enum {
    CELLS = 4,  /* whose vectors are made together, and compared together with LANES centres */
    LANES = 4,  /* 32-bit numbers of a vector */
    CLIP = 4095,
    OWN = 4,    /* parts of `own` that multiply sums; the fifth multiplies features of the stage */
    COARSE = 3, /* parts of `coarse` */
    SLOTS = 3,  /* rows of a coarser level whose products are kept: of a row, and of those beside it */
    MOST_GROUPS = (BIBC_DIM + LANES - 1) / LANES,
    MOST_PAIRS = OWN * BIBC_LENGTH / 2
};

static const uint64_t OUT_OF_REACH = SIZE_MAX / 2;

/* --- sizes ------------------------------------------------------------------------------------ */

static uint64_t times(uint64_t a, uint64_t b) {
    return a && b > OUT_OF_REACH / a ? OUT_OF_REACH : a * b;
}

/* Where something of this size begins if it follows `*end`, which is moved behind it. */
static uint64_t after(uint64_t *end, uint64_t size) {
    const uint64_t start = *end;
    *end = size >= OUT_OF_REACH - start ? OUT_OF_REACH : (start + size + 15) / 16 * 16;
    return start;
}

static size_t reachable(uint64_t size) { return size >= OUT_OF_REACH - 16 ? 0 : (size_t)size; }

static int pairs_of(int numbers) { return (numbers + 1) / 2; }
static int groups_of(int numbers) { return (numbers + LANES - 1) / LANES; }
static int stride_of(int length) { return (length + 7) / 8 * 8; } /* 16-bit numbers of a sum */
static int width_of(int dim) { return groups_of(dim) * LANES; }   /* 32-bit numbers of a vector */

/* 16-bit numbers of a matrix of so many inputs and outputs, by group of outputs and pair of inputs. */
static uint64_t matrix(uint64_t inputs_in_pairs, uint64_t outputs_in_groups) {
    return inputs_in_pairs * outputs_in_groups * LANES * 2;
}

/* --- a packed stage --------------------------------------------------------------------------- */

typedef struct {
    uint64_t features; /* int16 [K, stride] */
    uint64_t own;      /* matrix of OWN * R by D */
    uint64_t now;      /* matrix of R by D, for the features of the stage itself */
    uint64_t coarse;   /* l * COARSE matrices of R by D */
    uint64_t place;    /* int32 [k, k, D] */
    uint64_t quality;  /* int32 [101, D] */
    uint64_t centres;  /* matrix of D by M: -2 times the centres */
    uint64_t squares;  /* int32 [M in whole groups]: squared lengths, beyond M the largest number */
    uint64_t end;
} stage_layout;

static stage_layout lay_stage(const bibc_stage *stage) {
    stage_layout at;
    const uint64_t pairs = pairs_of(stage->length), groups = groups_of(stage->dim);
    const uint64_t all = groups_of(stage->centres);
    at.end = (sizeof(bibc_stage) + 15) / 16 * 16;
    at.features = after(&at.end, (uint64_t)stage->symbols * stride_of(stage->length) * 2);
    at.own = after(&at.end, matrix(OWN * pairs, groups) * 2);
    at.now = after(&at.end, matrix(pairs, groups) * 2);
    at.coarse = after(&at.end, (uint64_t)stage->level * COARSE * matrix(pairs, groups) * 2);
    at.place = after(&at.end, times(times((uint64_t)stage->side * stage->side, stage->dim), 4));
    at.quality = after(&at.end, (uint64_t)BIBC_QUALITIES * stage->dim * 4);
    at.centres = after(&at.end, matrix(pairs_of(stage->dim), all) * 2);
    at.squares = after(&at.end, all * LANES * 4);
    return at;
}

static int in_range(int32_t value, int32_t least, int32_t most) {
    return least <= value && value <= most;
}

size_t bibc_stage_size(const bibc_stage *stage) {
    if (!in_range(stage->symbols, 2, BIBC_SYMBOLS) || !in_range(stage->length, 1, BIBC_LENGTH) ||
        !in_range(stage->dim, 1, BIBC_DIM) || !in_range(stage->centres, 1, BIBC_SYMBOLS) ||
        !in_range(stage->level, 0, BIBC_LEVELS - 1) || !in_range(stage->side, 1, INT32_MAX) ||
        !in_range(stage->shift, 0, 24)) {
        return 0;
    }
    return reachable(lay_stage(stage).end);
}

/* Packs int32 [inputs, outputs], with these steps between two of each, times a factor; returns the
   largest absolute value. `first` is the pair of inputs at which it stands in a larger matrix. */
static int64_t pack(const int32_t *from, int inputs, int64_t input_step, int outputs,
                    int64_t output_step, int factor, int16_t *to, int first, int all_pairs) {
    int64_t most = 0;
    for (int output = 0; output < width_of(outputs); output++) {
        int16_t *group = to + matrix((uint64_t)all_pairs, (uint64_t)(output / LANES));
        for (int input = 0; input < 2 * pairs_of(inputs); input++) {
            int64_t value = 0;
            if (input < inputs && output < outputs) {
                value = (int64_t)factor * from[input * input_step + output * output_step];
            }
            most = value > most ? value : -value > most ? -value : most;
            group[((first + input / 2) * LANES + output % LANES) * 2 + input % 2] = (int16_t)value;
        }
    }
    return most;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int bibc_stage_pack(const bibc_stage *stage, const int32_t *features, const int32_t *own,
                    const int32_t *coarse, const int32_t *place, const int32_t *quality,
                    const int32_t *centres, int64_t *most, void *packed) {
    const stage_layout at = lay_stage(stage);
    const int length = stage->length, dim = stage->dim, stride = stride_of(length);
    const int pairs = pairs_of(length);
    const int64_t part = (int64_t)length * dim;
    int64_t largest = 0, here = 0;
    uint8_t *base = packed;
    memset(packed, 0, (size_t)at.end);
    memcpy(packed, stage, sizeof *stage);
    int16_t *rows = (int16_t *)(base + at.features);
    for (int64_t symbol = 0; symbol < stage->symbols; symbol++) {
        for (int i = 0; i < length; i++) {
            const int64_t value = features[symbol * length + i];
            here = larger(here, value < 0 ? -value : value);
            rows[symbol * stride + i] = (int16_t)value;
        }
    }
    for (int i = 0; i < OWN; i++) {
        largest = larger(largest, pack(own + i * part, length, dim, dim, 1, 1,
                                       (int16_t *)(base + at.own), i * pairs, OWN * pairs));
    }
    largest = larger(largest, pack(own + OWN * part, length, dim, dim, 1, 1,
                                   (int16_t *)(base + at.now), 0, pairs));
    for (int i = 0; i < COARSE * stage->level; i++) {
        int16_t *to = (int16_t *)(base + at.coarse) + i * matrix(pairs, groups_of(dim));
        largest = larger(largest, pack(coarse + i * part, length, dim, dim, 1, 1, to, 0, pairs));
    }
    memcpy(base + at.place, place, (size_t)stage->side * stage->side * dim * 4);
    memcpy(base + at.quality, quality, (size_t)BIBC_QUALITIES * dim * 4);
    largest = larger(largest, pack(centres, dim, 1, stage->centres, dim, -2,
                                   (int16_t *)(base + at.centres), 0, pairs_of(dim)));
    int32_t *squares = (int32_t *)(base + at.squares);
    for (int64_t m = 0; m < (int64_t)groups_of(stage->centres) * LANES; m++) {
        int64_t square = m < stage->centres ? 0 : INT32_MAX;
        for (int d = 0; d < dim && m < stage->centres; d++) {
            square += (int64_t)centres[m * dim + d] * centres[m * dim + d];
        }
        squares[m] = (int32_t)square;
    }
    most[stage->level] += here;
    return largest <= INT16_MAX && most[stage->level] <= INT16_MAX / 4;
}

/* --- an image --------------------------------------------------------------------------------- */

/* Begins an image. The sums of a level are int16 [rows + 2, columns + 2, stride]: zeros around. */
typedef struct {
    uint64_t size;
    int32_t levels, length;
    struct {
        int64_t rows, columns, cell;
        uint64_t sums;
    } level[BIBC_LEVELS];
} image_header;

static image_header lay_image(int32_t levels, const int32_t *cells, int64_t height, int64_t width,
                              int32_t length) {
    image_header head;
    memset(&head, 0, sizeof head);
    head.levels = levels;
    head.length = length;
    head.size = (sizeof head + 15) / 16 * 16;
    for (int32_t i = 0; i < levels; i++) {
        const int64_t cell = cells[i];
        head.level[i].rows = (height + cell - 1) / cell;
        head.level[i].columns = (width + cell - 1) / cell;
        head.level[i].cell = cell;
        const uint64_t places = times(head.level[i].rows + 2, head.level[i].columns + 2);
        head.level[i].sums = after(&head.size, times(places, stride_of(length) * 2));
    }
    return head;
}

size_t bibc_image_size(int32_t levels, const int32_t *cells, int64_t height, int64_t width,
                       int32_t length) {
    if (!in_range(levels, 1, BIBC_LEVELS) || !in_range(length, 1, BIBC_LENGTH) || height < 1 ||
        width < 1 || height > INT32_MAX / 8 || width > INT32_MAX / 8) {
        return 0;
    }
    for (int32_t i = 0; i < levels; i++) {
        if (cells[i] < 1 || (i && (cells[i] >= cells[i - 1] || cells[i - 1] % cells[i]))) {
            return 0;
        }
    }
    return reachable(lay_image(levels, cells, height, width, length).size);
}

void bibc_image_begin(int32_t levels, const int32_t *cells, int64_t height, int64_t width,
                      int32_t length, void *image) {
    const image_header head = lay_image(levels, cells, height, width, length);
    memcpy(image, &head, sizeof head);
}

static const int16_t *sums_of(const image_header *head, int level, int64_t row) {
    const int16_t *sums = (const int16_t *)((const uint8_t *)head + head->level[level].sums);
    return sums + (row + 1) * (head->level[level].columns + 2) * stride_of(head->length);
}

int64_t bibc_symbols(const void *packed, size_t packed_size, const void *image,
                     size_t image_size) {
    const bibc_stage *stage = packed;
    const image_header *head = image;
    if (packed_size < sizeof *stage || bibc_stage_size(stage) != packed_size ||
        image_size < sizeof *head || head->size != image_size || stage->level >= head->levels ||
        stage->length != head->length ||
        stage->side != head->level[0].cell / head->level[stage->level].cell) {
        return -1;
    }
    return head->level[stage->level].rows * head->level[stage->level].columns;
}

/* --- the vectors of a pass -------------------------------------------------------------------- */

typedef struct {
    vec of[CELLS];
} quad; /* the same of four cells */

/* What a row of cells takes from elsewhere: the place, or a coarser level. */
typedef struct {
    int32_t *index; /* of each column: the vector of `row` that counts for it */
    int32_t *row;   /* vectors */
    int32_t *products; /* of a coarser level: [SLOTS, COARSE, columns + 2] vectors */
    int64_t held[SLOTS]; /* the rows whose products they are */
    int64_t ratio;
    int level;
} source;

typedef struct {
    const bibc_stage *stage;
    const image_header *head;
    const uint8_t *base; /* of the packed stage */
    stage_layout at;
    int pairs, groups, stride, width;
    int64_t rows, columns;
    source sources[BIBC_LEVELS]; /* of the coarser levels, then the place */
} pass;

/* The first `count` pairs of values as a cell's part of the inputs. */
static void spread(const int16_t *values, int count, int cell, quad *inputs) {
    for (int i = 0; i < count; i++) {
        int32_t pair;
        memcpy(&pair, values + 2 * i, sizeof pair);
        inputs[i].of[cell] = v_fill32(pair);
    }
}

/* Adds inputs times a matrix to vectors of four cells. */
static void multiply(const quad *inputs, int pairs, const int16_t *weights, int groups,
                     quad *vectors) {
    for (int group = 0; group < groups; group++) {
        vec a = vectors[group].of[0], b = vectors[group].of[1];
        vec c = vectors[group].of[2], d = vectors[group].of[3];
        for (int i = 0; i < pairs; i++, weights += 2 * LANES) {
            const vec weight = v_load(weights);
            a = v_add32(a, v_pairs(weight, inputs[i].of[0]));
            b = v_add32(b, v_pairs(weight, inputs[i].of[1]));
            c = v_add32(c, v_pairs(weight, inputs[i].of[2]));
            d = v_add32(d, v_pairs(weight, inputs[i].of[3]));
        }
        vectors[group].of[0] = a, vectors[group].of[1] = b;
        vectors[group].of[2] = c, vectors[group].of[3] = d;
    }
}

/* The nearest centre of each of four vectors, the lowest of equally near ones. */
static void nearest(const quad *inputs, int pairs, const int16_t *centres, const int32_t *squares,
                    int groups, int32_t *numbers) {
    quad best, number;
    for (int cell = 0; cell < CELLS; cell++) {
        best.of[cell] = v_fill32(INT32_MAX), number.of[cell] = v_fill32(0);
    }
    for (int group = 0; group < groups; group++) {
        vec a = v_load(squares + group * LANES), b = a, c = a, d = a;
        for (int i = 0; i < pairs; i++, centres += 2 * LANES) {
            const vec centre = v_load(centres);
            a = v_add32(a, v_pairs(centre, inputs[i].of[0]));
            b = v_add32(b, v_pairs(centre, inputs[i].of[1]));
            c = v_add32(c, v_pairs(centre, inputs[i].of[2]));
            d = v_add32(d, v_pairs(centre, inputs[i].of[3]));
        }
        const quad score = {{a, b, c, d}};
        const vec here = v_fill32(group);
        for (int cell = 0; cell < CELLS; cell++) {
            const vec less = v_less32(score.of[cell], best.of[cell]);
            best.of[cell] = v_choose(less, score.of[cell], best.of[cell]);
            number.of[cell] = v_choose(less, here, number.of[cell]);
        }
    }
    for (int cell = 0; cell < CELLS; cell++) {
        int32_t scores[LANES], found[LANES];
        v_store(scores, best.of[cell]), v_store(found, number.of[cell]);
        int lane = 0;
        for (int i = 1; i < LANES; i++) {
            const int earlier = scores[i] == scores[lane] && found[i] < found[lane];
            lane = scores[i] < scores[lane] || earlier ? i : lane;
        }
        numbers[cell] = found[lane] * LANES + lane;
    }
}

/* Makes sure that the products of a row of a coarser level are held; the slot that they are in. */
static const int32_t *products_of(const pass *p, source *s, int64_t row) {
    const int64_t columns = p->head->level[s->level].columns + 2;
    const int slot = (int)((row + 1) % SLOTS);
    int32_t *products = s->products + slot * COARSE * columns * p->width;
    if (s->held[slot] == row) {
        return products;
    }
    s->held[slot] = row;
    const int16_t *sums = sums_of(p->head, s->level, row);
    const int16_t *weights = (const int16_t *)(p->base + p->at.coarse) +
                             s->level * COARSE * matrix(p->pairs, p->groups);
    for (int64_t x = 0; x < columns; x += CELLS) {
        quad inputs[BIBC_LENGTH / 2];
        const int count = columns - x < CELLS ? (int)(columns - x) : CELLS;
        for (int cell = 0; cell < CELLS; cell++) {
            spread(sums + (x + (cell < count ? cell : 0)) * p->stride, p->pairs, cell, inputs);
        }
        for (int part = 0; part < COARSE; part++) {
            quad vectors[MOST_GROUPS];
            memset(vectors, 0, sizeof vectors);
            multiply(inputs, p->pairs, weights + part * matrix(p->pairs, p->groups), p->groups,
                     vectors);
            for (int cell = 0; cell < count; cell++) {
                int32_t *to = products + (part * columns + x + cell) * p->width;
                for (int group = 0; group < p->groups; group++) {
                    v_store(to + group * LANES, vectors[group].of[cell]);
                }
            }
        }
    }
    return products;
}

/* Adds vectors: to = a + b + c, where the places of a coarser level are width numbers apart. */
static void add_vectors(const int32_t *a, const int32_t *b, const int32_t *c, int width,
                        int32_t *to) {
    for (int i = 0; i < width; i += LANES) {
        v_store(to + i, v_add32(v_add32(v_load(a + i), v_load(b + i)), v_load(c + i)));
    }
}

/* What row y takes from a coarser level, for the left and the right half of each of its cells. */
static void prepare_level(const pass *p, source *s, int64_t y) {
    const int64_t columns = p->head->level[s->level].columns, row = y / s->ratio;
    const int64_t nearer = y % s->ratio * 2 >= s->ratio ? row + 1 : row - 1;
    const int width = p->width;
    const int32_t *here = products_of(p, s, row);
    const int32_t *across = here + (columns + 2) * width;
    const int32_t *along = products_of(p, s, nearer) + 2 * (columns + 2) * width;
    for (int64_t x = 0; x < columns; x++) {
        const int64_t at = (x + 1) * width;
        int32_t *to = s->row + 2 * x * width;
        add_vectors(here + at, along + at, across + at - width, width, to);
        add_vectors(here + at, along + at, across + at + width, width, to + width);
    }
}

/* What row y takes from its place within the coarsest cells, with the quality. */
static void prepare_place(const pass *p, source *s, int64_t y, int32_t quality) {
    const int dim = p->stage->dim;
    const int32_t *place = (const int32_t *)(p->base + p->at.place);
    const int32_t *add = (const int32_t *)(p->base + p->at.quality) + (int64_t)quality * dim;
    place += y % p->stage->side * p->stage->side * dim;
    const int64_t count = p->stage->side < p->columns ? p->stage->side : p->columns;
    for (int64_t x = 0; x < count; x++) {
        for (int d = 0; d < p->width; d++) {
            s->row[x * p->width + d] = d < dim ? place[x * dim + d] + add[d] : 0;
        }
    }
}

/* The four parts of the level's own sums around a place; `sums` is at the place. */
static void gather_own(const pass *p, const int16_t *sums, int cell, quad *inputs) {
    const int64_t line = (p->columns + 2) * p->stride, stride = p->stride;
    int16_t parts[OWN][BIBC_LENGTH];
    for (int i = 0; i < p->stride; i += 8) {
        const int16_t *up = sums - line + i, *here = sums + i, *down = sums + line + i;
        v_store(parts[0] + i, v_load(here));
        v_store(parts[1] + i, v_add16(v_load(here - stride), v_load(here + stride)));
        v_store(parts[2] + i, v_add16(v_load(up), v_load(down)));
        v_store(parts[3] + i, v_add16(v_add16(v_load(up - stride), v_load(up + stride)),
                                      v_add16(v_load(down - stride), v_load(down + stride))));
    }
    for (int part = 0; part < OWN; part++) {
        spread(parts[part], p->pairs, cell, inputs + part * p->pairs);
    }
}

/* The features of the stage's symbols on the four sides of a place, added up. */
static void gather_now(const pass *p, const int32_t *grid, int64_t y, int64_t x, int cell,
                       quad *inputs) {
    static const int16_t none[BIBC_LENGTH] = {0};
    const int16_t *features = (const int16_t *)(p->base + p->at.features);
    const int32_t *here = grid + y * p->columns + x;
    const int64_t stride = p->stride;
    const int16_t *left = x ? features + here[-1] * stride : none;
    const int16_t *right = x + 1 < p->columns ? features + here[1] * stride : none;
    const int16_t *up = y ? features + here[-p->columns] * stride : none;
    const int16_t *down = y + 1 < p->rows ? features + here[p->columns] * stride : none;
    int16_t sum[BIBC_LENGTH];
    for (int i = 0; i < p->stride; i += 8) {
        v_store(sum + i, v_add16(v_add16(v_load(left + i), v_load(right + i)),
                                 v_add16(v_load(up + i), v_load(down + i))));
    }
    spread(sum, p->pairs, cell, inputs);
}

/* Shifts and clips context vectors; the inputs of `nearest`. */
static void finish(const pass *p, const quad *vectors, quad *inputs) {
    const vec most = v_fill16(CLIP), least = v_fill16(-CLIP), zero = v_fill32(0);
    for (int cell = 0; cell < CELLS; cell++) {
        int16_t values[(MOST_GROUPS + 1) * LANES];
        for (int group = 0; group < p->groups; group += 2) {
            const vec second = group + 1 < p->groups ? vectors[group + 1].of[cell] : zero;
            const vec both = v_narrow(vectors[group].of[cell], second, p->stage->shift);
            v_store(values + group * LANES, v_max16(v_min16(both, most), least));
        }
        spread(values, pairs_of(p->stage->dim), cell, inputs);
    }
}

/* The tables of the four places of a row at these columns. */
static void tables_of_four(const pass *p, int64_t y, const int64_t *columns, const int32_t *grid,
                           int32_t *numbers) {
    quad inputs[MOST_PAIRS], vectors[MOST_GROUPS];
    const int16_t *sums = sums_of(p->head, p->stage->level, y);
    for (int cell = 0; cell < CELLS; cell++) {
        const int64_t x = columns[cell];
        const int32_t *place = p->sources[p->stage->level].row;
        place += (int64_t)p->sources[p->stage->level].index[x] * p->width;
        for (int group = 0; group < p->groups; group++) {
            vec sum = v_load(place + group * LANES);
            for (int i = 0; i < p->stage->level; i++) {
                const source *s = &p->sources[i];
                sum = v_add32(sum, v_load(s->row + (int64_t)s->index[x] * p->width + group * LANES));
            }
            vectors[group].of[cell] = sum;
        }
        gather_own(p, sums + (x + 1) * p->stride, cell, inputs);
    }
    multiply(inputs, OWN * p->pairs, (const int16_t *)(p->base + p->at.own), p->groups, vectors);
    if (grid) {
        for (int cell = 0; cell < CELLS; cell++) {
            gather_now(p, grid, y, columns[cell], cell, inputs);
        }
        multiply(inputs, p->pairs, (const int16_t *)(p->base + p->at.now), p->groups, vectors);
    }
    finish(p, vectors, inputs);
    nearest(inputs, pairs_of(p->stage->dim), (const int16_t *)(p->base + p->at.centres),
            (const int32_t *)(p->base + p->at.squares), groups_of(p->stage->centres), numbers);
}

/* Lays out a pass and its scratch; returns the size of the scratch. */
static uint64_t begin_pass(pass *p, const void *packed, const void *image, uint8_t *scratch) {
    uint64_t end = 0;
    p->stage = packed;
    p->head = image;
    p->base = packed;
    p->at = lay_stage(p->stage);
    p->pairs = pairs_of(p->stage->length);
    p->groups = groups_of(p->stage->dim);
    p->stride = stride_of(p->stage->length);
    p->width = width_of(p->stage->dim);
    p->rows = p->head->level[p->stage->level].rows;
    p->columns = p->head->level[p->stage->level].columns;
    for (int i = 0; i <= p->stage->level; i++) {
        source *s = &p->sources[i];
        const int64_t coarse = p->head->level[i].columns;
        const int64_t whole = p->stage->side < p->columns ? p->stage->side : p->columns;
        const uint64_t vector = (uint64_t)p->width * 4;
        const uint64_t products = i < p->stage->level ? SLOTS * COARSE * (coarse + 2) : 0;
        const uint64_t index = after(&end, p->columns * 4);
        const uint64_t row = after(&end, (i < p->stage->level ? 2 * coarse : whole) * vector);
        const uint64_t product = after(&end, products * vector);
        s->level = i;
        s->ratio = p->head->level[i].cell / p->head->level[p->stage->level].cell;
        if (scratch) {
            s->index = (int32_t *)(scratch + index);
            s->row = (int32_t *)(scratch + row);
            s->products = (int32_t *)(scratch + product);
        }
    }
    return end;
}

size_t bibc_tables_scratch(const void *packed, const void *image) {
    pass p;
    return (size_t)begin_pass(&p, packed, image, NULL);
}

void bibc_tables(const void *packed, const void *image, int32_t quality, int32_t colour,
                 const int32_t *grid, int32_t *table_ids, void *scratch) {
    pass p;
    begin_pass(&p, packed, image, scratch);
    const int level = p.stage->level;
    for (int i = 0; i < level; i++) {
        source *s = &p.sources[i];
        s->held[0] = s->held[1] = s->held[2] = -2;
        for (int64_t x = 0; x < p.columns; x++) {
            s->index[x] = (int32_t)(x / s->ratio * 2 + (x % s->ratio * 2 >= s->ratio));
        }
    }
    for (int64_t x = 0; x < p.columns; x++) {
        p.sources[level].index[x] = (int32_t)(x % p.stage->side);
    }
    for (int64_t y = 0; y < p.rows; y++) {
        const int64_t first = (y + colour) % 2, count = (p.columns - first + 1) / 2;
        for (int i = 0; i < level; i++) {
            prepare_level(&p, &p.sources[i], y);
        }
        prepare_place(&p, &p.sources[level], y, quality);
        for (int64_t i = 0; i < count; i += CELLS) {
            int64_t columns[CELLS];
            int32_t numbers[CELLS];
            const int64_t some = count - i < CELLS ? count - i : CELLS;
            for (int64_t cell = 0; cell < CELLS; cell++) {
                columns[cell] = first + 2 * (i + (cell < some ? cell : 0));
            }
            tables_of_four(&p, y, columns, colour ? grid : NULL, numbers);
            memcpy(table_ids, numbers, (size_t)some * sizeof *numbers);
            table_ids += some;
        }
    }
}

/* --- grids ------------------------------------------------------------------------------------ */

void bibc_put(int64_t rows, int64_t columns, int32_t colour, const int32_t *symbols,
              int32_t *grid) {
    for (int64_t y = 0; y < rows; y++, grid += columns) {
        for (int64_t x = (y + colour) % 2; x < columns; x += 2) {
            grid[x] = *symbols++;
        }
    }
}

void bibc_take(int64_t rows, int64_t columns, int32_t colour, const int32_t *grid,
               int32_t *symbols) {
    for (int64_t y = 0; y < rows; y++, grid += columns) {
        for (int64_t x = (y + colour) % 2; x < columns; x += 2) {
            *symbols++ = grid[x];
        }
    }
}

int bibc_within(int64_t count, const int32_t *symbols, int32_t limit) {
    int within = 1;
    for (int64_t i = 0; i < count; i++) {
        within &= symbols[i] >= 0 && symbols[i] < limit;
    }
    return within;
}

void bibc_add(const void *packed, const int32_t *grid, void *image) {
    const bibc_stage *stage = packed;
    const image_header *head = image;
    const int stride = stride_of(stage->length);
    const int16_t *features = (const int16_t *)((const uint8_t *)packed + lay_stage(stage).features);
    const int64_t columns = head->level[stage->level].columns;
    for (int64_t y = 0; y < head->level[stage->level].rows; y++) {
        int16_t *sums = (int16_t *)sums_of(head, stage->level, y);
        for (int64_t x = 0; x < columns; x++) {
            const int16_t *add = features + (int64_t)*grid++ * stride;
            sums += stride;
            for (int i = 0; i < stride; i += 8) {
                v_store(sums + i, v_add16(v_load(sums + i), v_load(add + i)));
            }
        }
    }
}

/* --- the coder -------------------------------------------------------------------------------- */

static const uint64_t WORD = (uint64_t)1 << 32;
static const uint64_t LEAST_SEAL = (uint64_t)1 << 31;

typedef struct {
    uint32_t *ends;   /* [tables]: where the places of a table end in `places` */
    uint32_t *places; /* [count], sorted by table */
    uint32_t *starts; /* [symbols + 1] of one table */
} sorted;

static uint64_t lay_coder(int64_t count, int32_t tables, int32_t symbols, uint8_t *scratch,
                          sorted *s) {
    uint64_t end = 0;
    const uint64_t ends = after(&end, (uint64_t)tables * 4);
    const uint64_t places = after(&end, times((uint64_t)count, 4));
    const uint64_t starts = after(&end, ((uint64_t)symbols + 1) * 4);
    if (scratch) {
        s->ends = (uint32_t *)(scratch + ends);
        s->places = (uint32_t *)(scratch + places);
        s->starts = (uint32_t *)(scratch + starts);
    }
    return end;
}

size_t bibc_coder_scratch(int64_t count, int32_t tables, int32_t symbols) {
    return count > INT32_MAX ? 0 : reachable(lay_coder(count, tables, symbols, NULL, NULL));
}

static void sort_by_table(int64_t count, const int32_t *table_ids, int32_t tables, sorted *s) {
    uint32_t start = 0;
    memset(s->ends, 0, (size_t)tables * sizeof *s->ends);
    for (int64_t i = 0; i < count; i++) {
        s->ends[table_ids[i]]++;
    }
    for (int32_t table = 0; table < tables; table++) {
        const uint32_t number = s->ends[table];
        s->ends[table] = start;
        start += number;
    }
    for (int64_t i = 0; i < count; i++) {
        s->places[s->ends[table_ids[i]]++] = (uint32_t)i;
    }
}

static void begin_table(const uint32_t *frequencies, int32_t symbols, uint32_t *starts) {
    uint32_t sum = 0;
    for (int32_t i = 0; i < symbols; i++) {
        starts[i] = sum;
        sum += frequencies[i];
    }
    starts[symbols] = sum;
}

int bibc_read(const uint8_t *data, int64_t size, int64_t *at, uint64_t *state, int64_t count,
              const int32_t *table_ids, int32_t tables, int32_t symbols,
              const uint32_t *frequencies, int32_t *read, void *scratch) {
    sorted s;
    lay_coder(count, tables, symbols, scratch, &s);
    sort_by_table(count, table_ids, tables, &s);
    uint64_t now = *state;
    const uint8_t *next = data + *at, *end = data + size;
    uint32_t i = 0;
    for (int32_t table = 0; table < tables; table++, frequencies += symbols) {
        if (i < s.ends[table]) {
            begin_table(frequencies, symbols, s.starts);
        }
        for (; i < s.ends[table]; i++) {
            const uint32_t quantile = (uint32_t)now & 0xFFFFFF;
            uint32_t symbol = 0;
            for (uint32_t left = (uint32_t)symbols; left > 1;) {
                const uint32_t half = left / 2;
                symbol += s.starts[symbol + half] <= quantile ? half : 0;
                left -= half;
            }
            const uint32_t start = s.starts[symbol];
            now = (now >> 24) * (s.starts[symbol + 1] - start) + quantile - start;
            read[s.places[i]] = (int32_t)symbol;
            if (now < WORD && end - next >= 4) {
                const uint32_t word = (uint32_t)next[0] << 24 | (uint32_t)next[1] << 16 |
                                      (uint32_t)next[2] << 8 | next[3];
                now = now << 32 | word;
                next += 4;
            } else if (now < LEAST_SEAL) {
                return 0;
            }
        }
    }
    *at = next - data;
    *state = now;
    return now >= LEAST_SEAL;
}

int64_t bibc_write(uint64_t *state, int64_t count, const int32_t *table_ids, int32_t tables,
                   int32_t symbols, const uint32_t *frequencies, const int32_t *written,
                   uint8_t *out, void *scratch) {
    sorted s;
    lay_coder(count, tables, symbols, scratch, &s);
    sort_by_table(count, table_ids, tables, &s);
    uint64_t now = *state;
    uint8_t *to = out + 4 * count;
    for (int32_t table = tables - 1; table >= 0; table--) {
        const uint32_t first = table ? s.ends[table - 1] : 0;
        if (first < s.ends[table]) {
            begin_table(frequencies + (int64_t)table * symbols, symbols, s.starts);
        }
        for (uint32_t i = s.ends[table]; i > first; i--) {
            const int32_t symbol = written[s.places[i - 1]];
            const uint32_t start = s.starts[symbol], share = s.starts[symbol + 1] - start;
            if (now >> 40 >= share) {
                to -= 4;
                to[0] = (uint8_t)(now >> 24), to[1] = (uint8_t)(now >> 16);
                to[2] = (uint8_t)(now >> 8), to[3] = (uint8_t)now;
                now >>= 32;
            }
            now = (now / share << 24) + start + now % share;
        }
    }
    *state = now;
    return out + 4 * count - to;
}
