/* Vectors of 4 integers of 32 bits, or 8 of 16, on SSE2, NEON, wasm, and plain C (BIBC_SCALAR).

   v_pairs(a, b) multiplies 16-bit numbers and adds the two products of each pair: 4 sums of 32 bits.
   v_narrow shifts right, towards minus infinity, and saturates two vectors of 32 bits to one of 16.
   v_choose takes a where the mask is set, else b. */

#ifndef BIBC_VECTORS_H
#define BIBC_VECTORS_H

#include <stdint.h>
#include <string.h>

#if !defined(BIBC_SCALAR) && (defined(__SSE2__) || defined(_M_X64))

#include <emmintrin.h>
typedef __m128i vec;
static inline vec v_load(const void *from) { return _mm_loadu_si128((const __m128i *)from); }
static inline void v_store(void *to, vec a) { _mm_storeu_si128((__m128i *)to, a); }
static inline vec v_fill32(int32_t a) { return _mm_set1_epi32(a); }
static inline vec v_fill16(int16_t a) { return _mm_set1_epi16(a); }
static inline vec v_add16(vec a, vec b) { return _mm_add_epi16(a, b); }
static inline vec v_add32(vec a, vec b) { return _mm_add_epi32(a, b); }
static inline vec v_pairs(vec a, vec b) { return _mm_madd_epi16(a, b); }
static inline vec v_min16(vec a, vec b) { return _mm_min_epi16(a, b); }
static inline vec v_max16(vec a, vec b) { return _mm_max_epi16(a, b); }
static inline vec v_less32(vec a, vec b) { return _mm_cmplt_epi32(a, b); }
static inline vec v_choose(vec mask, vec a, vec b) {
    return _mm_or_si128(_mm_and_si128(mask, a), _mm_andnot_si128(mask, b));
}
static inline vec v_narrow(vec a, vec b, int32_t shift) {
    const __m128i count = _mm_cvtsi32_si128(shift);
    return _mm_packs_epi32(_mm_sra_epi32(a, count), _mm_sra_epi32(b, count));
}

#elif !defined(BIBC_SCALAR) && (defined(__aarch64__) || defined(_M_ARM64))

#include <arm_neon.h>
typedef int32x4_t vec;
#define AS16 vreinterpretq_s16_s32
#define AS32 vreinterpretq_s32_s16
static inline vec v_load(const void *from) { return AS32(vld1q_s16((const int16_t *)from)); }
static inline void v_store(void *to, vec a) { vst1q_s16((int16_t *)to, AS16(a)); }
static inline vec v_fill32(int32_t a) { return vdupq_n_s32(a); }
static inline vec v_fill16(int16_t a) { return AS32(vdupq_n_s16(a)); }
static inline vec v_add16(vec a, vec b) { return AS32(vaddq_s16(AS16(a), AS16(b))); }
static inline vec v_add32(vec a, vec b) { return vaddq_s32(a, b); }
static inline vec v_pairs(vec a, vec b) {
    const int32x4_t first = vmull_s16(vget_low_s16(AS16(a)), vget_low_s16(AS16(b)));
    return vpaddq_s32(first, vmull_high_s16(AS16(a), AS16(b)));
}
static inline vec v_min16(vec a, vec b) { return AS32(vminq_s16(AS16(a), AS16(b))); }
static inline vec v_max16(vec a, vec b) { return AS32(vmaxq_s16(AS16(a), AS16(b))); }
static inline vec v_less32(vec a, vec b) { return vreinterpretq_s32_u32(vcltq_s32(a, b)); }
static inline vec v_choose(vec mask, vec a, vec b) {
    return vbslq_s32(vreinterpretq_u32_s32(mask), a, b);
}
static inline vec v_narrow(vec a, vec b, int32_t shift) {
    const int32x4_t left = vdupq_n_s32(-shift);
    return AS32(vcombine_s16(vqmovn_s32(vshlq_s32(a, left)), vqmovn_s32(vshlq_s32(b, left))));
}

#elif !defined(BIBC_SCALAR) && defined(__wasm_simd128__)

#include <wasm_simd128.h>
typedef v128_t vec;
static inline vec v_load(const void *from) { return wasm_v128_load(from); }
static inline void v_store(void *to, vec a) { wasm_v128_store(to, a); }
static inline vec v_fill32(int32_t a) { return wasm_i32x4_splat(a); }
static inline vec v_fill16(int16_t a) { return wasm_i16x8_splat(a); }
static inline vec v_add16(vec a, vec b) { return wasm_i16x8_add(a, b); }
static inline vec v_add32(vec a, vec b) { return wasm_i32x4_add(a, b); }
static inline vec v_pairs(vec a, vec b) { return wasm_i32x4_dot_i16x8(a, b); }
static inline vec v_min16(vec a, vec b) { return wasm_i16x8_min(a, b); }
static inline vec v_max16(vec a, vec b) { return wasm_i16x8_max(a, b); }
static inline vec v_less32(vec a, vec b) { return wasm_i32x4_lt(a, b); }
static inline vec v_choose(vec mask, vec a, vec b) { return wasm_v128_bitselect(a, b, mask); }
static inline vec v_narrow(vec a, vec b, int32_t shift) {
    const uint32_t count = (uint32_t)shift;
    return wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(a, count), wasm_i32x4_shr(b, count));
}

#else

typedef union {
    int16_t half[8];
    int32_t word[4];
} vec;
#define EACH(count, vector, value)      \
    vec out;                            \
    for (int i = 0; i < (count); i++) { \
        out.vector[i] = (value);        \
    }                                   \
    return out
static inline vec v_load(const void *from) {
    vec out;
    memcpy(&out, from, sizeof out);
    return out;
}
static inline void v_store(void *to, vec a) { memcpy(to, &a, sizeof a); }
static inline vec v_fill32(int32_t a) { EACH(4, word, a); }
static inline vec v_fill16(int16_t a) { EACH(8, half, a); }
static inline vec v_add16(vec a, vec b) { EACH(8, half, (int16_t)(a.half[i] + b.half[i])); }
static inline vec v_add32(vec a, vec b) {
    EACH(4, word, (int32_t)((uint32_t)a.word[i] + (uint32_t)b.word[i]));
}
static inline vec v_pairs(vec a, vec b) {
    EACH(4, word, a.half[2 * i] * b.half[2 * i] + a.half[2 * i + 1] * b.half[2 * i + 1]);
}
static inline vec v_min16(vec a, vec b) {
    EACH(8, half, a.half[i] < b.half[i] ? a.half[i] : b.half[i]);
}
static inline vec v_max16(vec a, vec b) {
    EACH(8, half, a.half[i] > b.half[i] ? a.half[i] : b.half[i]);
}
static inline vec v_less32(vec a, vec b) { EACH(4, word, a.word[i] < b.word[i] ? -1 : 0); }
static inline vec v_choose(vec mask, vec a, vec b) {
    EACH(4, word, mask.word[i] ? a.word[i] : b.word[i]);
}
static inline int16_t saturated(int32_t a) {
    return (int16_t)(a < INT16_MIN ? INT16_MIN : a > INT16_MAX ? INT16_MAX : a);
}
static inline vec v_narrow(vec a, vec b, int32_t shift) {
    EACH(8, half, saturated((i < 4 ? a.word[i & 3] : b.word[i & 3]) >> shift));
}

#endif

#endif
