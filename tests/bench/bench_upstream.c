/* link: mmr_upstream */
/*
 * bench_upstream.c - records a second that a provider's collector takes into its store, each once, in batches as it commits them, and
 * writes out as JSON lines: all of its work but the link's, whose figures are bench_site's. The disk is the one of the folder given (or /tmp).
 */
#include "store/collected.h"
#include "store/incidents.h"
#include "upstream/outlet.h"
#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, EVIDENCE = 6 };

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_upstream: %s\n", what);
    exit(1);
}

struct world {
    struct mmr_db *db;
    struct mmr_outlet *file;
    uint64_t done;
};

static void on_done(void *ctx, struct mmr_outlet *o, uint64_t seq)
{
    struct world *w = ctx;
    must(mmr_store_outbox_level(w->db, o->ops->name, seq, MMR_DELIVERY_GATEWAY, mmr_clock_wall_ns(), "", NULL) == 0, "a mark");
    w->done++;
}

static int submit(void *ctx, const struct mmr_outbox_row *row)
{
    struct world *w = ctx;
    const struct mmr_engine_record r = {.seq = row->seq, .site = "", .kind = row->kind, .json = row->json, .len = row->len};
    return w->file->ops->submit(w->file, &r, NULL) ? 1 : 0;
}

/* An incident of about 3 KB, as one with six pieces of evidence is. */
static size_t incident(char *buf, size_t cap, uint64_t n)
{
    int len = snprintf(buf, cap, "{\"activity_id\":2,\"category_uid\":2,\"class_uid\":2005,\"type_uid\":200502,\"time\":1700000000000,\"severity_id\":4,\"status_id\":1,"
                                 "\"message\":\"incident %llu\",\"metadata\":{\"version\":\"1.8.0\",\"uid\":\"u%llu\",\"logged_time\":%llu},\"unmapped\":{\"mamori\":"
                                 "{\"class\":\"%s\",\"band\":\"red\",\"evidence\":[",
                       (unsigned long long)n, (unsigned long long)n, (unsigned long long)n, n % 20 ? "no_response_needed" : "severe");
    for (int i = 0; i < EVIDENCE; i++)
        len += snprintf(buf + len, cap - (size_t)len,
                        "%s{\"side\":\"network\",\"time\":\"2023-11-14T22:13:20.000Z\",\"rule\":\"rule %d of this incident\",\"phase\":\"foothold.process\",\"attack\":[\"T1110\","
                        "\"T1078\"],\"what\":\"%0200d\",\"host\":\"PC%d\",\"src\":{\"ip\":\"192.0.2.%d\",\"port\":50000},\"dst\":{\"ip\":\"198.51.100.7\",\"port\":443}}",
                        i ? "," : "", i, i, i, i + 1);
    len += snprintf(buf + len, cap - (size_t)len, "]}}}");
    return (size_t)len;
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    char dir[300], path[340], json[8192], site[40];
    struct world w = {0};
    struct stat st;
    (void)snprintf(dir, sizeof dir, "%.250s/mmr-bench-upstream-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    must(mkdtemp(dir) != NULL, "a folder");
    (void)snprintf(path, sizeof path, "%s/sites.jsonl", dir);
    const struct mmr_outlet_sink sink = {.done = on_done, .ctx = &w};
    must(mmr_db_open(dir, MMR_DB_CREATE, &w.db, NULL) == 0 && mmr_collected_open(w.db, NULL) == 0, "a store");
    must(mmr_outlet_file_open(path, w.db, &sink, &w.file, NULL) == 0 && mmr_store_outbox_register(w.db, "file", true, NULL) == 0, "an outlet");
    int64_t start = mmr_clock_mono_ns();
    double cpu = cpu_s();
    uint64_t n = 0;
    size_t bytes = 0;
    while ((double)(mmr_clock_mono_ns() - start) < seconds * 1e9) {
        for (int i = 0; i < BATCH; i++, n++) {
            bool is_new = false;
            (void)snprintf(site, sizeof site, "tenant.site%u", (unsigned)(n % 1000));
            size_t len = incident(json, sizeof json, n);
            const struct mmr_collected_record r = {.site = site, .kind = "incident", .is_urgent = n % 20 == 0, .at_ns = start, .json = json, .len = len};
            must(mmr_collected_put(w.db, &r, mmr_clock_wall_ns(), &is_new, NULL) == 0 && is_new, "a record");
            bytes += len;
        }
        must(mmr_db_commit(w.db, NULL) == 0, "a commit");
        must(mmr_store_outbox_pending(w.db, "file", BATCH, submit, &w, NULL) >= 0 && w.file->ops->settle(w.file, NULL) == 0, "the file");
    }
    must(mmr_db_commit(w.db, NULL) == 0 && w.done == n, "everything written out");
    double took = (double)(mmr_clock_mono_ns() - start) / 1e9;
    (void)snprintf(path, sizeof path, "%s/mamori.db", dir);
    must(stat(path, &st) == 0, "the store's size");
    printf("{\"what\":\"incidents committed, deduplicated and written out by a collector\",\"n\":%llu,\"per_s\":%.0f,\"cpu_us_each\":%.1f,\"bytes_each\":%zu,"
           "\"store_bytes_each\":%.0f}\n",
           (unsigned long long)n, (double)n / took, (cpu_s() - cpu) * 1e6 / (double)n, bytes / n, (double)st.st_size / (double)n);
    w.file->ops->close(w.file);
    mmr_db_close(w.db);
    static const char *const files[] = {"mamori.db", "mamori.db-wal", "mamori.db-shm", "sites.jsonl"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    return rmdir(dir) ? 1 : 0;
}
