/* Multi-head attention over packed rows, forward and backward, for a range of items, an item being a row's head.

   In: packed queries, keys and values side by side, (tokens, 3 hidden); dropout masks.  Out: contexts (tokens, hidden),
   or the gradient of what came in.  Not here: building (hardware/compiler.py); masks and threads (compiled.py).

   Built on the user's machine with -DHEAD=<numbers of a head, a multiple of 8> and, for bfloat16, -DBFLOAT16.

   The equations are those of attention.py. A block of QUERIES queries is computed at a time, so that its scores stay in
   a core's first cache. No score is kept: backward computes them anew, by the logarithm of each query's sum (Dao et al.
   2022, "FlashAttention", appendix B). Sums are in float32, whatever comes in. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Numbers of one SIMD register. */
#if defined(__AVX512F__) && HEAD % 16 == 0
#define LANES 16
#else
#define LANES 8
#endif
/* Queries of a block. */
#define QUERIES 24
/* Rows of a product that are summed in registers at once, and vectors beside each other. */
#define ROWS 6
#define ACROSS (HEAD / LANES % 2 == 0 ? 2 : 1)
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
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
    ivec first = a > b;
    return (vec)(((ivec)a & first) | ((ivec)b & ~first));
}
/* LANES numbers of a mask, zeros after the first `count`: nothing is read behind a row's last. */
INLINE vec load_mask(const number *at, int64_t count) {
    vec y = {0};
    if (count >= LANES)
        for (int i = 0; i < LANES; i++) y[i] = widen(at[i]);
    else
        for (int i = 0; i < count; i++) y[i] = widen(at[i]);
    return y;
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
    return y * (vec)((__builtin_convertvector(rounded, ivec) + 127) << 23);
}

/* scores (rows, width) = queries (rows, HEAD) x keys (HEAD, width), for at most ROWS rows. */
INLINE void some_scores(const int rows, const float *queries, const float *keys, int64_t width, float *scores) {
    int64_t j = 0;
    for (; j + 2 * LANES <= width; j += 2 * LANES) {
        vec s[ROWS][2];
        for (int r = 0; r < rows; r++) s[r][0] = s[r][1] = all(0);
        for (int d = 0; d < HEAD; d++) {
            vec k0 = load(keys + d * width + j), k1 = load(keys + d * width + j + LANES);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                vec q = all(queries[r * HEAD + d]);
                s[r][0] += q * k0;
                s[r][1] += q * k1;
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
        for (int d = 0; d < HEAD; d++) {
            vec k = load(keys + d * width + j);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) s[r] += all(queries[r * HEAD + d]) * k;
        }
        for (int r = 0; r < rows; r++) store(scores + r * width + j, s[r]);
    }
}

/* The same for any number of rows. */
static void scores_of(const float *queries, int rows, const float *keys, int64_t width, float *scores) {
    int i = 0;
    for (; i + ROWS <= rows; i += ROWS) some_scores(ROWS, queries + i * HEAD, keys, width, scores + i * width);
    for (; i + 2 <= rows; i += 2) some_scores(2, queries + i * HEAD, keys, width, scores + i * width);
    for (; i < rows; i++) some_scores(1, queries + i * HEAD, keys, width, scores + i * width);
}

/* out (rows, HEAD) = or, with `add`, += weights x values (length, HEAD), for at most ROWS rows.
   Row r's weight of value j is weights[r * row + j * step]. */
INLINE void some_sums(const int rows, const float *weights, int64_t row, int64_t step, int64_t length,
                      const float *values, float *out, const int add) {
    for (int d = 0; d < HEAD; d += ACROSS * LANES) {
        vec z[ROWS][2];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < ACROSS; c++) z[r][c] = add ? load(out + r * HEAD + d + c * LANES) : all(0);
        for (int64_t j = 0; j < length; j++) {
            vec v[2];
#pragma GCC unroll 2
            for (int c = 0; c < ACROSS; c++) v[c] = load(values + j * HEAD + d + c * LANES);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                vec w = all(weights[r * row + j * step]);
#pragma GCC unroll 2
                for (int c = 0; c < ACROSS; c++) z[r][c] += w * v[c];
            }
        }
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < ACROSS; c++) store(out + r * HEAD + d + c * LANES, z[r][c]);
    }
}

/* The same for any number of rows. */
static void sums_of(const float *weights, int64_t rows, int64_t row, int64_t step, int64_t length, const float *values,
                    float *out, const int add) {
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS)
        some_sums(ROWS, weights + i * row, row, step, length, values, out + i * HEAD, add);
    for (; i < rows; i++) some_sums(1, weights + i * row, row, step, length, values, out + i * HEAD, add);
}

/* One head's (length, HEAD) out of packed rows, and back. */
static void gather(const number *from, int64_t stride, int64_t length, float scale, float *to) {
    for (int64_t i = 0; i < length; i++)
        for (int d = 0; d < HEAD; d++) to[i * HEAD + d] = widen(from[i * stride + d]) * scale;
}
static void scatter(const float *from, int64_t length, float scale, number *to, int64_t stride) {
    for (int64_t i = 0; i < length; i++)
        for (int d = 0; d < HEAD; d++) to[i * stride + d] = narrow(from[i * HEAD + d] * scale);
}
/* (length, HEAD) to (HEAD, width), zeros behind. */
static void transpose(const float *from, int64_t length, int64_t width, float *to) {
    for (int d = 0; d < HEAD; d++) {
        for (int64_t i = 0; i < length; i++) to[d * width + i] = from[i * HEAD + d];
        for (int64_t i = length; i < width; i++) to[d * width + i] = 0;
    }
}
static int64_t whole_vectors(int64_t length) { return (length + LANES - 1) / LANES * LANES; }

/* Numbers of scratch memory (float) that a call needs for rows of at most `length` tokens. */
int64_t scratch_size(int64_t length) { return 7 * length * HEAD + 2 * (HEAD + QUERIES) * whole_vectors(length); }

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
        const int64_t size = length * HEAD;
        const number *first = qkv + starts[row] * stride + head * HEAD;
        float *query = scratch, *key = query + size, *value = key + size, *z = value + size;
        float *keys = z + size, *scores = keys + HEAD * width;
        gather(first, stride, length, scale, query);
        gather(first + hidden, stride, length, 1, key);
        gather(first + 2 * hidden, stride, length, 1, value);
        transpose(key, length, width, keys);
        const int64_t mask_width = masks ? mask_widths[row] : 0;
        const number *mask = masks ? masks[row] + head * mask_width * mask_width : 0;
        for (int64_t start = 0; start < length; start += QUERIES) {
            const int count = (int)(length - start < QUERIES ? length - start : QUERIES);
            scores_of(query + start * HEAD, count, keys, width, scores);
            for (int i = 0; i < count; i++) {
                float *s = scores + i * width;
                for (int64_t j = length; j < width; j++) s[j] = -1e30f;
                vec most = load(s), total = {0};
                for (int64_t j = LANES; j < width; j += LANES) most = larger(most, load(s + j));
                float highest = most[0];
                for (int k = 1; k < LANES; k++) highest = most[k] > highest ? most[k] : highest;
                for (int64_t j = 0; j < width; j += LANES) {
                    const vec e = exponential(load(s + j) - all(highest));
                    store(s + j, e);
                    total += e;
                }
                const float whole = sum(total), share = 1 / whole;
                if (logs) logs[(starts[row] + start + i) * heads + head] = highest + logf(whole);
                const number *m = mask ? mask + (start + i) * mask_width : 0;
                for (int64_t j = 0; j < width; j += LANES) { /* M * P */
                    const vec p = load(s + j) * all(share);
                    store(s + j, m ? p * load_mask(m + j, length - j) : p);
                }
            }
            sums_of(scores, count, width, 1, length, value, z + start * HEAD, 0);
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
        const int64_t size = length * HEAD, first = starts[row] * stride + head * HEAD;
        const int64_t first_out = starts[row] * hidden + head * HEAD;
        float *query = scratch, *key = query + size, *value = key + size, *grad = value + size;
        float *grad_query = grad + size, *grad_key = grad_query + size, *grad_value = grad_key + size;
        float *keys = grad_value + size, *values = keys + HEAD * width;
        float *weights = values + HEAD * width, *slopes = weights + QUERIES * width;
        gather(qkv + first, stride, length, scale, query);
        gather(qkv + first + hidden, stride, length, 1, key);
        gather(qkv + first + 2 * hidden, stride, length, 1, value);
        gather(grad_context + first_out, hidden, length, 1, grad);
        transpose(key, length, width, keys);
        transpose(value, length, width, values);
        memset(grad_key, 0, 2 * size * sizeof(float));
        const int64_t mask_width = masks ? mask_widths[row] : 0;
        const number *mask = masks ? masks[row] + head * mask_width * mask_width : 0;
        for (int64_t start = 0; start < length; start += QUERIES) {
            const int count = (int)(length - start < QUERIES ? length - start : QUERIES);
            const float *q = query + start * HEAD, *g = grad + start * HEAD;
            scores_of(q, count, keys, width, weights); /* S */
            scores_of(g, count, values, width, slopes); /* dZ V' */
            for (int i = 0; i < count; i++) {
                float *w = weights + i * width, *s = slopes + i * width, inner = 0;
                const number *z = context + first_out + (start + i) * hidden;
                for (int d = 0; d < HEAD; d++) inner += g[i * HEAD + d] * widen(z[d]);
                const vec log = all(logs[(starts[row] + start + i) * heads + head]), mean = all(inner);
                const number *m = mask ? mask + (start + i) * mask_width : 0;
                for (int64_t j = 0; j < width; j += LANES) { /* M * P, and dS: rowsum(dP * P) is dZ Z' */
                    const vec p = exponential(load(w + j) - log);
                    const vec kept = m ? load_mask(m + j, length - j) : all(1);
                    store(w + j, p * kept);
                    store(s + j, p * (kept * load(s + j) - mean));
                }
            }
            sums_of(slopes, count, width, 1, length, key, grad_query + start * HEAD, 0);
            sums_of(weights, length, 1, width, count, g, grad_value, 1);
            sums_of(slopes, length, 1, width, count, q, grad_key, 1);
        }
        scatter(grad_query, length, scale, grad_qkv + first, stride);
        scatter(grad_key, length, 1, grad_qkv + first + hidden, stride);
        scatter(grad_value, length, 1, grad_qkv + first + 2 * hidden, stride);
    }
}
