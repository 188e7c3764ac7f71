/* link: mmr_plugin_indicator_objects mmr_net mamori-sdk */
/* bench_indicator.c - five million indicators: time to read them, memory of each, time of a question. */
#include "list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(void)
{
    enum { N = 5000000, ASK = 2000000 };
    struct mmr_error err = {.struct_size = sizeof err};
    struct ind_list_options o = {.now_s = 1000};
    struct ind_list_stats st;
    struct ind_set *s = ind_set_new();
    FILE *f = tmpfile();
    if (!f || !s)
        return 1;
    for (unsigned i = 0; i < N; i++)
        (void)fprintf(f, i & 1 ? "h%u.example%u.com\n" : "%u.%u.%u.7\n", i & 1 ? i : 11 + (i >> 16 & 63), i & 1 ? i % 1000 : i >> 8 & 255, i & 255);
    rewind(f);
    double t = now_s();
    if (ind_list_file(f, "tmp", &o, s, &st, &err) < 0 || ind_set_build(s, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    double load = now_s() - t;
    unsigned hits = 0;
    struct ind_hit hit;
    char name[64];
    t = now_s();
    for (unsigned i = 0; i < ASK; i++) {
        int n = snprintf(name, sizeof name, "www.h%u.example%u.com", i * 5, i * 5 % 1000);
        hits += ind_set_domain(s, name, (size_t)n, 1000, &hit);
    }
    double ask = now_s() - t;
    (void)printf("{\"bench\":\"indicator\",\"lines\":%d,\"entries\":%zu,\"load_s\":%.2f,\"bytes_per_entry\":%.1f,\"ns_per_name\":%.0f,\"hits\":%u}\n", N,
                 ind_set_count(s), load, (double)ind_set_bytes(s) / (double)ind_set_count(s), ask * 1e9 / ASK, hits);
    ind_set_free(s);
    (void)fclose(f);
    return 0;
}
