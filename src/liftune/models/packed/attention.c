/* Multi-head attention over packed rows, forward and backward, for a range of items, an item being a row's head.

   In: packed queries, keys and values side by side, (tokens, 3 hidden); dropout masks.  Out: contexts (tokens, hidden),
   or the gradient of what came in.  Not here: building (hardware/compiler.py); masks and threads (compiled.py).

   Built on the user's machine with -DHEAD=<numbers of a head, a multiple of 8> and, for bfloat16, -DBFLOAT16.

   The equations are those of attention.py. A block of QUERIES queries is computed at a time, so that its scores stay in
   a core's first cache. No score is kept: backward computes them anew, by the logarithm of each query's sum (Dao et al.
   2022, "FlashAttention", appendix B). Sums are in float32, whatever comes in.

   What products read lies in words of 32 bits along what is summed: one float, or where bfloat16 comes in and the
   processor multiplies it (AVX512-BF16) a pair of bfloat16, which one instruction multiplies and adds. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && HEAD % 16 == 0
#define WIDE
#include <immintrin.h>
#endif
#if defined(WIDE) && defined(BFLOAT16) && defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define PAIRS
#endif

/* Numbers of one SIMD register. */
#ifdef WIDE
#define LANES 16
#else
#define LANES 8
#endif
/* Queries of a block: an even number. */
#define QUERIES 24
/* Rows of a product that are summed in registers at once, and vectors beside each other. */
#define ROWS 6
#define ACROSS (HEAD / LANES % 2 == 0 ? 2 : 1)
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#ifdef BFLOAT16
typedef uint16_t number;
INLINE float widen(number x) {
    union { uint32_t bits; float value; } wide = {(uint32_t)x << 16};
    return wide.value;
}
INLINE number narrow(float x) { /* to the nearest, ties to even */
    union { float value; uint32_t bits; } wide = {x};
    return (number)((wide.bits + 0x7fff + ((wide.bits >> 16) & 1)) >> 16);
}
#else
typedef float number;
INLINE float widen(number x) { return x; }
INLINE number narrow(float x) { return x; }
#endif

INLINE vec load(const float *at) { return *(const vec *)at; }
INLINE void store(float *at, vec x) { *(vec *)at = x; }
INLINE vec all(float x) { return x - (vec){0}; }
INLINE float sum(vec x) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += x[i];
    return total;
}
INLINE vec larger(vec a, vec b) { /* b where either is no number */
#ifdef WIDE
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
    ivec first = a > b;
    return (vec)(((ivec)a & first) | ((ivec)b & ~first));
#endif
}
/* LANES numbers, zeros after the first `count`: nothing is read behind a row's last. */
INLINE vec load_numbers(const number *at, int64_t count) {
#ifdef PAIRS
    const __mmask16 some = count >= LANES ? 0xffff : (__mmask16)((1u << count) - 1);
    return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, at)), 16);
#else
    vec y = {0};
    if (count >= LANES)
        for (int i = 0; i < LANES; i++) y[i] = widen(at[i]);
    else
        for (int i = 0; i < count; i++) y[i] = widen(at[i]);
    return y;
#endif
}

/* e^x for x <= 0, by the polynomial of Cephes' expf; from -87 down it is 1e-38, and of what is no number none. */
INLINE vec exponential(vec x) {
    x = larger(all(-87.0f), x);
    vec rounded = (x * all(1.44269504f) + all(12582912.0f)) - all(12582912.0f);
    vec rest = x - rounded * all(0.693359375f) + rounded * all(2.12194440e-4f);
    vec y = all(1.9875691500e-4f);
    y = y * rest + all(1.3981999507e-3f);
    y = y * rest + all(8.3334519073e-3f);
    y = y * rest + all(4.1665795894e-2f);
    y = y * rest + all(1.6666665459e-1f);
    y = y * rest + all(5.0000001201e-1f);
    y = y * rest * rest + rest + all(1.0f);
#ifdef WIDE
    return (vec)_mm512_scalef_ps((__m512)y, (__m512)rounded);
#else
    return y * (vec)((__builtin_convertvector(rounded, ivec) + 127) << 23);
#endif
}

/* Words, and what a product adds up of two of them. */
#ifdef PAIRS
#define STEP 2
typedef uint32_t word __attribute__((may_alias));
typedef ivec words;
INLINE words load_words(const word *at) { return (words)_mm512_loadu_si512(at); }
INLINE words every(word x) { return (words)_mm512_set1_epi32((int)x); }
INLINE vec add_product(vec total, words a, words b) {
    return (vec)_mm512_dpbf16_ps((__m512)total, (__m512bh)a, (__m512bh)b);
}
#else
#define STEP 1
typedef float word __attribute__((may_alias));
typedef vec words;
/* Not by memcpy: for AVX2 gcc copies two halves to the stack and reads them as one, which waits for both. */
INLINE words load_words(const word *at) { return load(at); }
INLINE words every(word x) { return all(x); }
INLINE vec add_product(vec total, words a, words b) { return total + a * b; }
#endif
/* Words of a head's numbers. */
#define DEPTH (HEAD / STEP)

/* scores (rows, width) = queries (rows, DEPTH) x keys (DEPTH, width), for at most ROWS rows. */
INLINE void some_scores(const int rows, const word *queries, const word *keys, int64_t width, float *scores) {
    int64_t j = 0;
    for (; j + 2 * LANES <= width; j += 2 * LANES) {
        vec s[ROWS][2];
        for (int r = 0; r < rows; r++) s[r][0] = s[r][1] = all(0);
        for (int d = 0; d < DEPTH; d++) {
            words k0 = load_words(keys + d * width + j), k1 = load_words(keys + d * width + j + LANES);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                words q = every(queries[r * DEPTH + d]);
                s[r][0] = add_product(s[r][0], q, k0);
                s[r][1] = add_product(s[r][1], q, k1);
            }
        }
        for (int r = 0; r < rows; r++) {
            store(scores + r * width + j, s[r][0]);
            store(scores + r * width + j + LANES, s[r][1]);
        }
    }
    if (j < width) {
        vec s[ROWS];
        for (int r = 0; r < rows; r++) s[r] = all(0);
        for (int d = 0; d < DEPTH; d++) {
            words k = load_words(keys + d * width + j);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) s[r] = add_product(s[r], every(queries[r * DEPTH + d]), k);
        }
        for (int r = 0; r < rows; r++) store(scores + r * width + j, s[r]);
    }
}

/* The same for any number of rows. */
static void scores_of(const word *queries, int rows, const word *keys, int64_t width, float *scores) {
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS) some_scores(ROWS, queries + i * DEPTH, keys, width, scores + i * width);
    for (; i + 2 <= rows; i += 2) some_scores(2, queries + i * DEPTH, keys, width, scores + i * width);
    for (; i < rows; i++) some_scores(1, queries + i * DEPTH, keys, width, scores + i * width);
}

/* out (rows, HEAD) = or, with `add`, += weights x values (length, HEAD), for at most ROWS rows.
   Row r's weight of value j is weights[r * row + j * step]; `length` counts words. */
INLINE void some_sums(const int rows, const word *weights, int64_t row, int64_t step, int64_t length,
                      const word *values, float *out, const int add) {
    for (int d = 0; d < HEAD; d += ACROSS * LANES) {
        vec z[ROWS][2];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < ACROSS; c++) z[r][c] = add ? load(out + r * HEAD + d + c * LANES) : all(0);
        for (int64_t j = 0; j < length; j++) {
            words v[2];
#pragma GCC unroll 2
            for (int c = 0; c < ACROSS; c++) v[c] = load_words(values + j * HEAD + d + c * LANES);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                words w = every(weights[r * row + j * step]);
#pragma GCC unroll 2
                for (int c = 0; c < ACROSS; c++) z[r][c] = add_product(z[r][c], w, v[c]);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < ACROSS; c++) store(out + r * HEAD + d + c * LANES, z[r][c]);
    }
}

/* The same for any number of rows. */
static void sums_of(const word *weights, int64_t rows, int64_t row, int64_t step, int64_t length, const word *values,
                    float *out, const int add) {
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        some_sums(ROWS, weights + i * row, row, step, length, values, out + i * HEAD, add);
    for (; i + 2 <= rows; i += 2) some_sums(2, weights + i * row, row, step, length, values, out + i * HEAD, add);
    for (; i < rows; i++) some_sums(1, weights + i * row, row, step, length, values, out + i * HEAD, add);
}

/* One head's (length, HEAD) out of packed rows, as words along the head (length, DEPTH); and back. */
static void gather(const number *from, int64_t stride, int64_t length, word *to) {
#ifdef PAIRS
    for (int64_t i = 0; i < length; i++) memcpy(to + i * DEPTH, from + i * stride, 2 * HEAD);
#else
    for (int64_t i = 0; i < length; i++)
        for (int d = 0; d < HEAD; d++) to[i * HEAD + d] = widen(from[i * stride + d]);
#endif
}
static void scatter(const float *from, int64_t length, float scale, number *to, int64_t stride) {
    for (int64_t i = 0; i < length; i++) {
#ifdef PAIRS
        for (int d = 0; d < HEAD; d += LANES) {
            const __m256bh few = _mm512_cvtneps_pbh((__m512)(load(from + i * HEAD + d) * all(scale)));
            memcpy(to + i * stride + d, &few, sizeof few);
        }
#else
        for (int d = 0; d < HEAD; d++) to[i * stride + d] = narrow(from[i * HEAD + d] * scale);
#endif
    }
}
/* Words (length, DEPTH) to (DEPTH, width), zeros behind. */
static void transpose(const word *from, int64_t length, int64_t width, word *to) {
    for (int d = 0; d < DEPTH; d++) {
        for (int64_t i = 0; i < length; i++) to[d * width + i] = from[i * DEPTH + d];
        for (int64_t i = length; i < width; i++) to[d * width + i] = 0;
    }
}
/* Words along the head (length, DEPTH) as words along the length, (length / STEP rounded up, HEAD), by way of `to`. */
INLINE const word *along_length(const word *from, int64_t length, word *to) {
#ifdef PAIRS
    for (int64_t i = 0; i < length; i += 2)
        for (int d = 0; d < HEAD; d += LANES) {
            const __m256i *at = (const __m256i *)(from + i * DEPTH + d / 2);
            const __m512i even = _mm512_cvtepu16_epi32(_mm256_loadu_si256(at));
            __m512i odd = _mm512_setzero_si512();
            if (i + 1 < length) {
                at = (const __m256i *)(from + (i + 1) * DEPTH + d / 2);
                odd = _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(at)), 16);
            }
            _mm512_storeu_si512(to + i / 2 * HEAD + d, _mm512_or_si512(even, odd));
        }
    return to;
#else
    (void)length, (void)to;
    return from;
#endif
}
/* LANES numbers of a row as words along the row. */
INLINE void store_along(word *row, int64_t j, vec x) {
#ifdef PAIRS
    const __m256bh few = _mm512_cvtneps_pbh((__m512)x);
    memcpy(row + j / 2, &few, sizeof few);
#else
    store(row + j, x);
#endif
}
/* LANES numbers of each of STEP rows as words across the rows. */
INLINE void store_across(word *at, const vec *x) {
#ifdef PAIRS
    const __m512i even = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x[0]));
    const __m512i odd = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x[1]));
    _mm512_storeu_si512(at, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
#else
    store(at, x[0]);
#endif
}
static int64_t whole_vectors(int64_t length) { return (length + LANES - 1) / LANES * LANES; }
static int64_t whole_words(int64_t length) { return (length + STEP - 1) / STEP; }

/* Numbers of scratch memory (of four bytes) that a call needs for rows of at most `length` tokens. */
int64_t scratch_size(int64_t length) {
    return 8 * (length + 1) * HEAD + (2 * HEAD + 4 * QUERIES) * whole_vectors(length) + 2 * QUERIES * HEAD;
}

/* Contexts of the items from `item` to before `end`, where item = row * heads + head.

   starts, lengths:  of each row, its first token and its number of tokens.
   masks:            of each row, its first head's mask, (heads, mask_widths[row], mask_widths[row]); or null.
   logs:             (tokens, heads), the logarithm of the sum of each query's exponentials; null without a backward. */
void forward(const number *qkv, const int64_t *starts, const int64_t *lengths, const number *const *masks,
             const int64_t *mask_widths, int64_t heads, float scale, number *context, float *logs, int64_t item,
             int64_t end, float *scratch) {
    const int64_t hidden = heads * HEAD, stride = 3 * hidden;
    for (; item < end; item++) {
        const int64_t row = item / heads, head = item % heads, length = lengths[row], width = whole_vectors(length);
        const int64_t size = (length + 1) * HEAD;
        const number *first = qkv + starts[row] * stride + head * HEAD;
        float *z = scratch, *scores = z + size;
        word *query = (word *)(scores + QUERIES * width), *key = query + size, *value = key + size;
        word *keys = value + size, *weights = keys + HEAD * width;
        gather(first, stride, length, query);
        gather(first + hidden, stride, length, key);
        gather(first + 2 * hidden, stride, length, value);
        transpose(key, length, width, keys);
        const word *values = along_length(value, length, key);
        const int64_t mask_width = masks ? mask_widths[row] : 0;
        const number *mask = masks ? masks[row] + head * mask_width * mask_width : 0;
        for (int64_t start = 0; start < length; start += QUERIES) {
            const int count = (int)(length - start < QUERIES ? length - start : QUERIES);
            float shares[QUERIES];
            scores_of(query + start * DEPTH, count, keys, width, scores);
            for (int i = 0; i < count; i++) {
                float *s = scores + i * width;
                word *w = weights + i * (width / STEP);
                for (int64_t j = length; j < width; j++) s[j] = -1e30f;
                vec most = load(s), total = {0};
                for (int64_t j = LANES; j < width; j += LANES) most = larger(most, load(s + j));
                float highest = most[0];
                for (int k = 1; k < LANES; k++) highest = most[k] > highest ? most[k] : highest;
                highest *= scale;
                const number *m = mask ? mask + (start + i) * mask_width : 0;
                for (int64_t j = 0; j < width; j += LANES) { /* M * P, but for what P's row is divided by */
                    const vec e = exponential(load(s + j) * all(scale) - all(highest));
                    total += e;
                    const vec kept = m ? load_numbers(m + j, length - j) : all(1);
                    store_along(w, j, e * kept);
                }
                const float whole = sum(total);
                shares[i] = 1 / whole;
                if (logs) logs[(starts[row] + start + i) * heads + head] = highest + logf(whole);
            }
            sums_of(weights, count, width / STEP, 1, whole_words(length), values, z + start * HEAD, 0);
            for (int i = 0; i < count; i++)
                for (int d = 0; d < HEAD; d += LANES) {
                    float *at = z + (start + i) * HEAD + d;
                    store(at, load(at) * all(shares[i]));
                }
        }
        scatter(z, length, 1, context + starts[row] * hidden + head * HEAD, hidden);
    }
}

/* The gradient of qkv, by that of the contexts; the other arguments as of `forward`. */
void backward(const number *qkv, const int64_t *starts, const int64_t *lengths, const number *const *masks,
              const int64_t *mask_widths, int64_t heads, float scale, const number *context, const float *logs,
              const number *grad_context, number *grad_qkv, int64_t item, int64_t end, float *scratch) {
    const int64_t hidden = heads * HEAD, stride = 3 * hidden;
    for (; item < end; item++) {
        const int64_t row = item / heads, head = item % heads, length = lengths[row], width = whole_vectors(length);
        const int64_t size = (length + 1) * HEAD, first = starts[row] * stride + head * HEAD;
        const int64_t first_out = starts[row] * hidden + head * HEAD;
        float *grad_query = scratch, *grad_key = grad_query + size, *grad_value = grad_key + size;
        float *scores = grad_value + size, *slopes = scores + QUERIES * width;
        word *query = (word *)(slopes + QUERIES * width), *key = query + size, *value = key + size;
        word *grad = value + size, *keys = grad + size, *values = keys + HEAD * width;
        word *q_across = values + HEAD * width, *g_across = q_across + QUERIES * HEAD;
        /* M * P across queries, dS across queries and along keys: words of floats lie both ways. */
        word *weights = g_across + QUERIES * HEAD, *slopes_across = weights + QUERIES * width;
        word *slopes_along = STEP == 1 ? slopes_across : (word *)slopes; /* what was read is written over */
        gather(qkv + first, stride, length, query);
        gather(qkv + first + hidden, stride, length, key);
        gather(qkv + first + 2 * hidden, stride, length, value);
        gather(grad_context + first_out, hidden, length, grad);
        transpose(key, length, width, keys);
        transpose(value, length, width, values);
        const word *key_rows = along_length(key, length, value);
        memset(grad_key, 0, 2 * size * sizeof(float));
        const int64_t mask_width = masks ? mask_widths[row] : 0;
        const number *mask = masks ? masks[row] + head * mask_width * mask_width : 0;
        for (int64_t start = 0; start < length; start += QUERIES) {
            const int count = (int)(length - start < QUERIES ? length - start : QUERIES);
            const word *q = query + start * DEPTH, *g = grad + start * DEPTH;
            scores_of(q, count, keys, width, scores); /* S, not yet scaled */
            scores_of(g, count, values, width, slopes); /* dZ V' */
            for (int i = 0; i < count; i += STEP) {
                const int both = i + STEP <= count ? STEP : 1;
                vec log[STEP], mean[STEP];
                for (int r = 0; r < both; r++) {
                    const int64_t at = start + i + r;
                    vec inner = {0}; /* rowsum(dP * P) is dZ Z' */
                    for (int d = 0; d < HEAD; d += LANES)
                        inner += load_numbers(grad_context + first_out + at * hidden + d, LANES) *
                                 load_numbers(context + first_out + at * hidden + d, LANES);
                    log[r] = all(logs[(starts[row] + at) * heads + head]);
                    mean[r] = all(sum(inner));
                }
                for (int64_t j = 0; j < width; j += LANES) { /* M * P, and dS */
                    vec w[STEP] = {{0}}, s[STEP] = {{0}};
                    for (int r = 0; r < both; r++) {
                        const number *m = mask ? mask + (start + i + r) * mask_width : 0;
                        const vec p = exponential(load(scores + (i + r) * width + j) * all(scale) - log[r]);
                        const vec kept = m ? load_numbers(m + j, length - j) : all(1);
                        w[r] = p * kept;
                        s[r] = p * (kept * load(slopes + (i + r) * width + j) - mean[r]);
                    }
                    store_across(weights + i / STEP * width + j, w);
                    store_across(slopes_across + i / STEP * width + j, s);
                    if (STEP > 1)
                        for (int r = 0; r < both; r++) store_along(slopes_along + (i + r) * width, j, s[r]);
                }
#ifdef PAIRS
                /* Of a pair of which one key is none: what lies there may be no number, and its key is zero. */
                if (length % 2)
                    for (int r = 0; r < both; r++) slopes_along[(i + r) * width + length / 2] &= 0xffff;
#endif
            }
            const int64_t across = whole_words(count);
            sums_of(slopes_along, count, width, 1, whole_words(length), key_rows, grad_query + start * HEAD, 0);
            sums_of(weights, length, 1, width, across, along_length(g, count, g_across), grad_value, 1);
            sums_of(slopes_across, length, 1, width, across, along_length(q, count, q_across), grad_key, 1);
        }
        scatter(grad_query, length, scale, grad_qkv + first, stride);
        scatter(grad_key, length, scale, grad_qkv + first + hidden, stride);
        scatter(grad_value, length, 1, grad_qkv + first + 2 * hidden, stride);
    }
}
