/* The five calls of HdrHistogram that Aeron's cping makes. The library is not in Aeron's source tree, and here the
 * values themselves are wanted: they are kept, and printed as one JSON line. */
#ifndef BENCH_HDR_HISTOGRAM_H
#define BENCH_HDR_HISTOGRAM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASSIC 0

struct hdr_histogram
{
    size_t count;
    size_t capacity;
    int64_t *values;
};

static inline int hdr_init(int64_t lowest, int64_t highest, int figures, struct hdr_histogram **result)
{
    (void)lowest;
    (void)highest;
    (void)figures;
    *result = calloc(1, sizeof(struct hdr_histogram));
    (*result)->capacity = 1 << 17;
    (*result)->values = malloc((*result)->capacity * sizeof(int64_t));
    if (NULL == (*result)->values)
    {
        return -1;
    }
    memset((*result)->values, 1, (*result)->capacity * sizeof(int64_t)); /* no page faults while measuring */
    return 0;
}

static inline void hdr_record_value(struct hdr_histogram *histogram, int64_t value)
{
    histogram->values[histogram->count++ & (histogram->capacity - 1)] = value;
}

static inline void hdr_reset(struct hdr_histogram *histogram)
{
    histogram->count = 0;
}

static inline void hdr_close(struct hdr_histogram *histogram)
{
    if (NULL != histogram)
    {
        free(histogram->values);
        free(histogram);
    }
}

static inline int hdr_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static inline void hdr_percentiles_print(
    struct hdr_histogram *histogram, FILE *stream, int32_t ticks, double scale, int format)
{
    (void)ticks;
    (void)scale;
    (void)format;
    size_t count = histogram->count < histogram->capacity ? histogram->count : histogram->capacity;
    qsort(histogram->values, count, sizeof(int64_t), hdr_compare);
    fprintf(stream, "{\"p50\": %" PRId64 ", \"p99\": %" PRId64 ", \"p99.9\": %" PRId64 "}\n",
        histogram->values[count / 2], histogram->values[count * 99 / 100], histogram->values[count * 999 / 1000]);
}

#endif
