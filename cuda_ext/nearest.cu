// Nearest-centroid search. No header is included, so nvcc, NVRTC and the host emulation of the
// tests compile this one file. See cuda_ext/canonical.py for the score that defines the answer.
//
//   prepare  codebook -> filter table (-2 c, transposed), offsets |c|^2 + b, and their maxima
//   filter   per row: the least filter value, its group of codes, the runner-up group's least value
//   finish   certified rows: canonical float64 scores inside the group; other rows go on a list
//   rescan   listed rows: canonical scores of every code that the filter cannot rule out
//
// Certificate. With |filter value - (canonical score - |x|^2)| <= e for every code of a row, a
// runner-up above least + 2e proves that the best code and all its ties are in the least group.
// A missing proof (also: NaN, overflow) only costs time, since that row is rescanned.
//
// Compile with -DINPUT=0 (float32), 1 (float16) or 2 (bfloat16) for x, -DTENSOR=0 or 1 for the
// filter, and -DDEPTH: D rounded up to 8, 16, 32 or 64 (TENSOR=1: 16, 32 or 64), or 0 for
// any larger D. Neither -ftz=true nor -use_fast_math is allowed.

#if INPUT == 0
typedef float element;
#else
typedef unsigned short element;
#endif

#ifndef EMULATED
#define DEVICE static __device__ __forceinline__

#if INPUT == 1
DEVICE float widen_half(unsigned short v) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(v));
  return out;
}
#endif

#if TENSOR
typedef unsigned int word;

// Two floats to bfloat16, round to nearest even: `low` in the low half.
DEVICE word pack_bf16(float low, float high) {
  word out;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
  return out;
}

// d += a * b for one 16 x 8 x 16 bfloat16 tile, float32 accumulators.
DEVICE void mma_bf16(float (&d)[4], const word (&a)[4], word b0, word b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif
#endif

#define EVERY_LANE 0xffffffffu
#define LARGEST 3.402823466e38f
#define INFINITE __int_as_float(0x7f800000)

#if TENSOR
constexpr int TILE = 64;   // codes per filter tile
constexpr int GROUP = 16;  // codes per group: what one thread sees of a row in one tile
#else
constexpr int TILE = 128;
constexpr int GROUP = 8;
constexpr int CHUNK = 8;  // dimensions per step
#endif
constexpr int GROUPS = TILE / GROUP;  // groups per tile
constexpr int ROWS = 128;             // rows per filter block
constexpr int RESCAN_ROWS = 4;        // rows that share one pass over the codebook
constexpr int RESCAN_THREADS = 256;
constexpr int MAX_DEPTH = 512;

// Maxima over the codes that are not masked, as bits of non-negative floats, and the -inf bias.
struct Stats {
  unsigned int length;   // |c|, rounded up
  unsigned int spread;   // ||c|^2 + b|, rounded up
  unsigned int winner;   // 2^31 - 1 - (lowest code with a bias of -inf), 0 if there is none
  unsigned int unused;
};

DEVICE float widen(element v) {
#if INPUT == 0
  return v;
#elif INPUT == 1
  return widen_half(v);
#else
  return __uint_as_float(static_cast<unsigned int>(v) << 16);
#endif
}

// The i-th code of a group.
DEVICE int member(int group, int i) {
  const int tile = group / GROUPS, place = group % GROUPS;
#if TENSOR
  return tile * TILE + (i >> 1) * 8 + place * 2 + (i & 1);
#else
  return tile * TILE + (i >> 2) * 64 + place * 4 + (i & 3);
#endif
}

// A bound e on the filter's error for a row of length `norm` (rounded up). `_error_bound` of
// cuda_ext/search.py has the terms; a tensor core adds the split of a float32 into two bfloat16
// and truncates instead of rounding, which 20 units per step of 16 dimensions cover.
DEVICE float error_bound(float norm, float length, float spread, int depth) {
#if TENSOR
  const float split = 3.0517578125e-5f, steps = 20.0f * (3 * (DEPTH / 16) + 1);
#else
  const float split = 0.0f, steps = static_cast<float>(depth + 3);
#endif
  const float unit = 1.1920928955078125e-7f, canonical = 2.220446049250313e-16f;
  const float product = norm * length, reach = norm + length, deep = static_cast<float>(depth + 4);
  const float tiny = 7.52316384526264e-37f * deep * (reach + 1.0f);
  const float sum = split * product + steps * unit * (2.02f * product + spread) +
                    deep * canonical * (reach * reach + spread + length * length) + tiny;
  return sum * 1.0001f;
}

// The canonical score: float64, in order, nothing fused. NaN counts as +inf.
DEVICE double canonical_score(const element* x, const float* code, float bias, int depth) {
  double sum = static_cast<double>(bias);
  for (int d = 0; d < depth; ++d) {
    const double t = __dsub_rn(static_cast<double>(widen(x[d])), static_cast<double>(code[d]));
    sum = __dadd_rn(sum, __dmul_rn(t, t));
  }
  return sum == sum ? sum : static_cast<double>(INFINITE);
}

DEVICE double exchange(double v, int mask) {
  const long long bits = __double_as_longlong(v);
  const int low = __shfl_xor_sync(EVERY_LANE, static_cast<int>(bits & 0xffffffffll), mask);
  const int high = __shfl_xor_sync(EVERY_LANE, static_cast<int>(bits >> 32), mask);
  return __longlong_as_double((static_cast<long long>(high) << 32) |
                              static_cast<long long>(static_cast<unsigned int>(low)));
}

DEVICE void write_answer(long long* index, float* value, int row, int code, double score) {
  const bool any = score < static_cast<double>(INFINITE);
  index[row] = any ? code : 0;
  value[row] = any ? static_cast<float>(score) : INFINITE;
}

// Takes one more group minimum into (least, second, group).
DEVICE void take(float& least, float& second, int& group, float v, int id) {
  second = fminf(second, fmaxf(least, v));
  group = v < least ? id : group;
  least = fminf(least, v);
}

// Merges the certificates of two disjoint sets of groups. Order does not matter: equal minima
// leave second == least, which certifies nothing.
DEVICE void merge(float& least, float& second, int& group, float least2, float second2,
                  int group2) {
  second = fminf(fminf(second, second2), fmaxf(least, least2));
  group = least2 < least ? group2 : group;
  least = fminf(least, least2);
}

// grid: columns / 32; block: 256. table is float32 [padded depth][columns], or with TENSOR two
// bfloat16 arrays [columns][DEPTH], high parts then low parts. stats must be zero at the start.
extern "C" __global__ void __launch_bounds__(256)
bibcodec_prepare(const float* codebook, const float* bias, int codes, int depth, int padded,
                 int columns, float* table, float* offset, Stats* stats) {
  __shared__ float tile[32][33];
  __shared__ float usable[32];
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int first = static_cast<int>(blockIdx.x) * 32;
  double square[4] = {0.0, 0.0, 0.0, 0.0};
  for (int d = lane; d < depth; d += 32) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int code = first + warp + 8 * i;
      const double v = code < codes ? codebook[static_cast<long long>(code) * depth + d] : 0.0;
      square[i] += v * v;
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int code = first + warp + 8 * i;
    for (int mask = 16; mask > 0; mask >>= 1) square[i] += exchange(square[i], mask);
    if (lane == 0) {
      const bool finite = square[i] <= 1e300;
      const float b = bias != nullptr && code < codes ? bias[code] : 0.0f;
      const double sum = square[i] + static_cast<double>(b);
      const bool wins = code < codes && finite && b == -INFINITE;
      const bool counts = code < codes && finite && fabsf(b) <= LARGEST;
      usable[warp + 8 * i] = finite ? 1.0f : 0.0f;
      offset[code] = counts ? static_cast<float>(sum) : INFINITE;
      if (counts) {
        atomicMax(&stats->length, __float_as_uint(static_cast<float>(sqrt(square[i]) * 1.000001)));
        atomicMax(&stats->spread, __float_as_uint(static_cast<float>(fabs(sum) * 1.000001)));
      }
      if (wins) atomicMax(&stats->winner, 0x7fffffffu - static_cast<unsigned int>(code));
    }
  }
  __syncthreads();
  for (int start = 0; start < padded; start += 32) {
    for (int i = warp; i < 32; i += 8) {
      const int code = first + i, d = start + lane;
      const bool real = code < codes && d < depth && usable[i] != 0.0f;
      tile[i][lane] = real ? -2.0f * codebook[static_cast<long long>(code) * depth + d] : 0.0f;
    }
    __syncthreads();
#if TENSOR
    unsigned short* high = reinterpret_cast<unsigned short*>(table);
    unsigned short* low = high + static_cast<long long>(columns) * padded;
    for (int i = warp; i < 32; i += 8) {
      const int d = start + lane;
      if (d < padded) {
        const float v = tile[i][lane];
        const word top = pack_bf16(v, 0.0f) & 0xffffu;
        const long long at = static_cast<long long>(first + i) * padded + d;
        high[at] = static_cast<unsigned short>(top);
        low[at] = static_cast<unsigned short>(pack_bf16(v - __uint_as_float(top << 16), 0.0f));
      }
    }
#else
    for (int i = warp; i < 32; i += 8) {
      const long long at = static_cast<long long>(start + i) * columns + first + lane;
      if (start + i < padded) table[at] = tile[lane][i];
    }
#endif
    __syncthreads();
  }
}

#if !TENSOR
// grid: (rows / 128 rounded up, splits of the codebook); block: 256. Thread (tx, ty) has rows
// 4 ty .. +3 and 64 + 4 ty .. +3 of the block and the same columns by tx of every tile.
// least, second and group are [splits][rows].
extern "C" __global__ void __launch_bounds__(256, 2)
bibcodec_filter(const element* x, int rows, int depth, int padded, const float* table,
                const float* offset, int columns, int tiles, float* least, float* second,
                int* group) {
  constexpr bool RESIDENT = DEPTH > 0;  // the block's rows stay in shared memory
  constexpr int HELD = RESIDENT ? DEPTH / CHUNK : 2;
  __shared__ __align__(16) float queries[HELD][CHUNK][ROWS];
  __shared__ __align__(16) float codes[2][CHUNK][TILE];
  const int thread = static_cast<int>(threadIdx.x), tx = thread & 15, ty = thread >> 4;
  const int origin = static_cast<int>(blockIdx.x) * ROWS;
  const int all = columns / TILE, start = static_cast<int>(blockIdx.y) * tiles;
  const int stop = start + tiles < all ? start + tiles : all;
  const int chunks = RESIDENT ? DEPTH / CHUNK : padded / CHUNK;
  const int steps = (stop - start) * chunks;

  const int query = thread & 127, half = (thread >> 7) * 4;  // what this thread loads of x
  const int code_d = thread >> 5, code_at = (thread & 31) * 4;  // and of the table
  const bool inside = origin + query < rows;
  const element* const line = x + static_cast<long long>(inside ? origin + query : 0) * depth;
  float next_x[4] = {0.0f, 0.0f, 0.0f, 0.0f};
  float4 next_c = {0.0f, 0.0f, 0.0f, 0.0f};

  auto fetch_x = [&](int chunk) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int d = chunk * CHUNK + half + i;
      next_x[i] = inside && d < depth ? widen(line[d]) : 0.0f;
    }
  };
  auto store_x = [&](int slot) {
#pragma unroll
    for (int i = 0; i < 4; ++i) queries[slot][half + i][query] = next_x[i];
  };
  auto fetch_c = [&](int tile, int chunk) {
    const long long at = static_cast<long long>(chunk * CHUNK + code_d) * columns;
    next_c = *reinterpret_cast<const float4*>(table + at + tile * TILE + code_at);
  };
  auto store_c = [&](int slot) {
    *reinterpret_cast<float4*>(&codes[slot][code_d][code_at]) = next_c;
  };

  if (RESIDENT) {
    for (int chunk = 0; chunk < HELD; ++chunk) {
      fetch_x(chunk);
      store_x(chunk);
    }
  } else {
    fetch_x(0);
    store_x(0);
  }
  fetch_c(start, 0);
  store_c(0);
  __syncthreads();

  float low[8], runner[8], sum[8][8];
  int where[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    low[i] = runner[i] = INFINITE;
    where[i] = 0;
  }
  int tile = start, chunk = 0;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    if (chunk == 0) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const float o = offset[tile * TILE + (j >> 2) * 64 + tx * 4 + (j & 3)];
#pragma unroll
        for (int i = 0; i < 8; ++i) sum[i][j] = o;
      }
    }
    const bool last = chunk + 1 == chunks;
    const int after = last ? 0 : chunk + 1;
    if (step + 1 < steps) {
      fetch_c(last ? tile + 1 : tile, after);
      if (!RESIDENT) fetch_x(after);
    }
    const int held = RESIDENT ? chunk : step & 1;
#pragma unroll 2
    for (int d = 0; d < CHUNK; ++d) {
      float a[8], b[8];
      *reinterpret_cast<float4*>(a) = *reinterpret_cast<const float4*>(&queries[held][d][ty * 4]);
      *reinterpret_cast<float4*>(a + 4) =
          *reinterpret_cast<const float4*>(&queries[held][d][64 + ty * 4]);
      *reinterpret_cast<float4*>(b) = *reinterpret_cast<const float4*>(&codes[step & 1][d][tx * 4]);
      *reinterpret_cast<float4*>(b + 4) =
          *reinterpret_cast<const float4*>(&codes[step & 1][d][64 + tx * 4]);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(a[i], b[j], sum[i][j]);
      }
    }
    if (last) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        float v = sum[i][0];
#pragma unroll
        for (int j = 1; j < 8; ++j) v = fminf(v, sum[i][j]);
        take(low[i], runner[i], where[i], v, tile * GROUPS + tx);
      }
      ++tile;
    }
    chunk = after;
    if (step + 1 < steps) {
      store_c((step + 1) & 1);
      if (!RESIDENT) store_x((step + 1) & 1);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    for (int mask = 8; mask > 0; mask >>= 1) {
      const float low2 = __shfl_xor_sync(EVERY_LANE, low[i], mask);
      const float runner2 = __shfl_xor_sync(EVERY_LANE, runner[i], mask);
      const int where2 = __shfl_xor_sync(EVERY_LANE, where[i], mask);
      merge(low[i], runner[i], where[i], low2, runner2, where2);
    }
    const int row = origin + (i >> 2) * 64 + ty * 4 + (i & 3);
    if (tx == 0 && row < rows) {
      const long long at = static_cast<long long>(blockIdx.y) * rows + row;
      least[at] = low[i];
      second[at] = runner[i];
      group[at] = where[i];
    }
  }
}
#else
// grid: (rows / 128 rounded up, splits of the codebook); block: 128. Each warp has 32 rows, whose
// bfloat16 high and low parts stay in registers; tiles of 64 codes pass through shared memory.
// x c = (xh + xl)(ch + cl) without xl cl, which the bound covers.
extern "C" __global__ void __launch_bounds__(128, 2)
bibcodec_filter(const element* x, int rows, int depth, int padded, const float* table,
                const float* offset, int columns, int tiles, float* least, float* second,
                int* group) {
  constexpr int STEPS = DEPTH / 16;
  constexpr int STRIDE = DEPTH / 2 + 4;           // words per code: no bank conflicts
  constexpr int LOADS = TILE * DEPTH / 8 / 128;   // 16-byte loads per thread, part and tile
  __shared__ __align__(16) word codes[2][2][TILE * STRIDE];
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  const int quad = lane >> 2, place = lane & 3;
  const int origin = static_cast<int>(blockIdx.x) * ROWS + warp * 32;
  const int all = columns / TILE, start = static_cast<int>(blockIdx.y) * tiles;
  const int stop = start + tiles < all ? start + tiles : all;
  const uint4* const source = reinterpret_cast<const uint4*>(table);
  const long long low_part = static_cast<long long>(columns) * padded / 8;

  uint4 next[2][LOADS];
  auto fetch = [&](int tile) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      const long long at = static_cast<long long>(tile) * (TILE * DEPTH / 8) + i * 128 + thread;
      next[0][i] = source[at];
      next[1][i] = source[low_part + at];
    }
  };
  auto store = [&](int slot) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      const int flat = i * 128 + thread, code = flat / (DEPTH / 8), at = flat % (DEPTH / 8);
      *reinterpret_cast<uint4*>(&codes[slot][0][code * STRIDE + at * 4]) = next[0][i];
      *reinterpret_cast<uint4*>(&codes[slot][1][code * STRIDE + at * 4]) = next[1][i];
    }
  };

  word high[2][STEPS][4], low[2][STEPS][4];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int s = 0; s < STEPS; ++s) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int row = origin + m * 16 + quad + (r & 1) * 8;
        const int d = s * 16 + place * 2 + (r >> 1) * 8;
        const element* const line = x + static_cast<long long>(row < rows ? row : 0) * depth;
        const float v0 = row < rows && d < depth ? widen(line[d]) : 0.0f;
        const float v1 = row < rows && d + 1 < depth ? widen(line[d + 1]) : 0.0f;
        const word top = pack_bf16(v0, v1);
        high[m][s][r] = top;
        low[m][s][r] = pack_bf16(v0 - __uint_as_float(top << 16),
                                 v1 - __uint_as_float(top & 0xffff0000u));
      }
    }
  }

  float nearest[4], runner[4];
  int where[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    nearest[i] = runner[i] = INFINITE;
    where[i] = 0;
  }
  fetch(start);
  store(0);
  __syncthreads();
  for (int tile = start; tile < stop; ++tile) {
    const int slot = (tile - start) & 1;
    if (tile + 1 < stop) fetch(tile + 1);
    float best[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) best[i] = INFINITE;
#pragma unroll
    for (int n = 0; n < TILE / 8; ++n) {
      float sum[2][4];
      const float o0 = offset[tile * TILE + n * 8 + place * 2];
      const float o1 = offset[tile * TILE + n * 8 + place * 2 + 1];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        sum[m][0] = sum[m][2] = o0;
        sum[m][1] = sum[m][3] = o1;
      }
#pragma unroll
      for (int s = 0; s < STEPS; ++s) {
        const int at = (n * 8 + quad) * STRIDE + s * 8 + place;
        const word h0 = codes[slot][0][at], h1 = codes[slot][0][at + 4];
        const word l0 = codes[slot][1][at], l1 = codes[slot][1][at + 4];
#pragma unroll
        for (int m = 0; m < 2; ++m) mma_bf16(sum[m], low[m][s], h0, h1);
#pragma unroll
        for (int m = 0; m < 2; ++m) mma_bf16(sum[m], high[m][s], l0, l1);
#pragma unroll
        for (int m = 0; m < 2; ++m) mma_bf16(sum[m], high[m][s], h0, h1);
      }
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        best[m * 2] = fminf(best[m * 2], fminf(sum[m][0], sum[m][1]));
        best[m * 2 + 1] = fminf(best[m * 2 + 1], fminf(sum[m][2], sum[m][3]));
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      take(nearest[i], runner[i], where[i], best[i], tile * GROUPS + place);
    }
    if (tile + 1 < stop) store(slot ^ 1);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    for (int mask = 2; mask > 0; mask >>= 1) {
      const float near2 = __shfl_xor_sync(EVERY_LANE, nearest[i], mask);
      const float runner2 = __shfl_xor_sync(EVERY_LANE, runner[i], mask);
      const int where2 = __shfl_xor_sync(EVERY_LANE, where[i], mask);
      merge(nearest[i], runner[i], where[i], near2, runner2, where2);
    }
    const int row = origin + (i >> 1) * 16 + quad + (i & 1) * 8;
    if (place == 0 && row < rows) {
      const long long at = static_cast<long long>(blockIdx.y) * rows + row;
      least[at] = nearest[i];
      second[at] = runner[i];
      group[at] = where[i];
    }
  }
}
#endif

// grid: rows / (256 / GROUP) rounded up; block: 256. GROUP lanes share a row. Rows without a
// certificate go to pending[*count ...] with the limit below which a code may be the best.
extern "C" __global__ void __launch_bounds__(256)
bibcodec_finish(const element* x, int rows, int depth, const float* codebook, const float* bias,
                int codes, const float* offset, const Stats* stats, int splits, const float* least,
                const float* second, const int* group, long long* index, float* value,
                int* pending, float* limits, int* count) {
  const int lane = static_cast<int>(threadIdx.x) % GROUP;
  const int asked = static_cast<int>(blockIdx.x) * (256 / GROUP) +
                    static_cast<int>(threadIdx.x) / GROUP;
  const int row = asked < rows ? asked : rows - 1;
  const element* const line = x + static_cast<long long>(row) * depth;
  float square = 0.0f;
  int broken = 0;
  for (int d = lane; d < depth; d += GROUP) {
    const float v = widen(line[d]);
    square = fmaf(v, v, square);
    broken |= !(fabsf(v) <= LARGEST);
  }
  for (int mask = GROUP / 2; mask > 0; mask >>= 1) {
    square += __shfl_xor_sync(EVERY_LANE, square, mask);
    broken |= __shfl_xor_sync(EVERY_LANE, broken, mask);
  }
  float low = INFINITE, runner = INFINITE;
  int where = 0;
  for (int split = 0; split < splits; ++split) {
    const long long at = static_cast<long long>(split) * rows + row;
    merge(low, runner, where, least[at], second[at], group[at]);
  }
  const float norm = sqrtf(square) * 1.0001f + 8.673617379884035e-19f;
  const float e = error_bound(norm, __uint_as_float(stats->length),
                              __uint_as_float(stats->spread), depth);
  const float limit = low + 2.0f * e;
  const bool sure = runner > limit;
  int code = member(where, lane);
  double score = static_cast<double>(INFINITE);
  if (sure && !broken && code < codes) {
    const float* const candidate = codebook + static_cast<long long>(code) * depth;
    float s = offset[code];
    for (int d = 0; d < depth; ++d) s = fmaf(-2.0f * widen(line[d]), candidate[d], s);
    if (!(s > limit)) {
      score = canonical_score(line, candidate, bias == nullptr ? 0.0f : bias[code], depth);
    }
  }
  for (int mask = GROUP / 2; mask > 0; mask >>= 1) {
    const double score2 = exchange(score, mask);
    const int code2 = __shfl_xor_sync(EVERY_LANE, code, mask);
    if (score2 < score || (score2 == score && code2 < code)) {
      score = score2;
      code = code2;
    }
  }
  if (lane == 0 && asked < rows) {
    const unsigned int winner = stats->winner;
    if (broken) {
      write_answer(index, value, row, 0, static_cast<double>(INFINITE));
    } else if (winner != 0) {
      write_answer(index, value, row, static_cast<int>(0x7fffffffu - winner),
                   -static_cast<double>(INFINITE));
    } else if (sure) {
      write_answer(index, value, row, code, score);
    } else {
      const int slot = atomicAdd(count, 1);
      pending[slot] = row;
      limits[slot] = limit;
    }
  }
}

// Any grid; block: 256. Each block takes four rows at a time.
extern "C" __global__ void __launch_bounds__(RESCAN_THREADS)
bibcodec_rescan(const element* x, int depth, const float* codebook, const float* bias, int codes,
                const float* offset, const int* pending, const float* limits, const int* count,
                long long* index, float* value) {
  __shared__ float queries[RESCAN_ROWS][MAX_DEPTH];
  __shared__ double scores[RESCAN_THREADS];
  __shared__ int winners[RESCAN_THREADS];
  const int thread = static_cast<int>(threadIdx.x), total = *count;
  const int stride = static_cast<int>(gridDim.x) * RESCAN_ROWS;
  for (int first = static_cast<int>(blockIdx.x) * RESCAN_ROWS; first < total; first += stride) {
    const element* line[RESCAN_ROWS];
    float limit[RESCAN_ROWS];
    double score[RESCAN_ROWS];
    int winner[RESCAN_ROWS];
#pragma unroll
    for (int r = 0; r < RESCAN_ROWS; ++r) {
      const int slot = first + r < total ? first + r : total - 1;
      line[r] = x + static_cast<long long>(pending[slot]) * depth;
      limit[r] = limits[slot];
      score[r] = static_cast<double>(INFINITE);
      winner[r] = 0;
      for (int d = thread; d < depth; d += RESCAN_THREADS) {
        queries[r][d] = -2.0f * widen(line[r][d]);
      }
    }
    __syncthreads();
    for (int code = thread; code < codes; code += RESCAN_THREADS) {
      const float* const candidate = codebook + static_cast<long long>(code) * depth;
      float s[RESCAN_ROWS];
#pragma unroll
      for (int r = 0; r < RESCAN_ROWS; ++r) s[r] = offset[code];
      for (int d = 0; d < depth; ++d) {
        const float c = candidate[d];
#pragma unroll
        for (int r = 0; r < RESCAN_ROWS; ++r) s[r] = fmaf(queries[r][d], c, s[r]);
      }
#pragma unroll
      for (int r = 0; r < RESCAN_ROWS; ++r) {
        if (!(s[r] > limit[r])) {
          const float b = bias == nullptr ? 0.0f : bias[code];
          const double a = canonical_score(line[r], candidate, b, depth);
          if (a < score[r]) {
            score[r] = a;
            winner[r] = code;
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < RESCAN_ROWS; ++r) {
      scores[thread] = score[r];
      winners[thread] = winner[r];
      __syncthreads();
      for (int half = RESCAN_THREADS / 2; half > 0; half >>= 1) {
        if (thread < half) {
          const double other = scores[thread + half];
          const int code = winners[thread + half];
          if (other < scores[thread] || (other == scores[thread] && code < winners[thread])) {
            scores[thread] = other;
            winners[thread] = code;
          }
        }
        __syncthreads();
      }
      if (thread == 0 && first + r < total) {
        write_answer(index, value, pending[first + r], winners[0], scores[0]);
      }
    }
  }
}
