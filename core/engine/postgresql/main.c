/*
 * main.c - outlet program: records into a table of PostgreSQL, told done when the transaction they are in is committed. Started by
 * 'mamori upstream'. The library (libpq) is here and nowhere else.
 *
 * One row a record, its id the primary key, so that what comes again changes nothing. A batch is one statement and one transaction; a
 * record that the database can never take (text that jsonb does not have) is found by giving the batch one by one.
 */
#include "engine/serve.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 256, BATCH_BYTES = 4 * 1024 * 1024, RETRY_MS = 2000, COLUMNS = 7, NAME_MAX_BYTES = 50, SQL_MAX = 1024 };

struct row {
    struct row *next;
    uint64_t seq;
    size_t len;
    char id[MMR_UUID_TEXT_MAX], number[24], at[32], lane[8], *site, *kind, *json;
};
struct engine {
    struct mmr_engine_host *host;
    char *url, *table, *login, *ca;
    bool may_make;
    PGconn *db;
    bool is_good;
    int64_t tried_ns; /* monotonic */
    struct row *head, **end;
    uint64_t stored, known, refused;
};

static void fail_text(const struct engine *x, char *buf, size_t cap)
{
    const char *text = PQerrorMessage(x->db);
    (void)snprintf(buf, cap, "%.*s", (int)strcspn(text, "\n"), text);
}

static void leave(struct engine *x, const char *doing)
{
    char why[300], text[400];
    fail_text(x, why, sizeof why);
    (void)snprintf(text, sizeof text, "%s: %s", doing, why);
    mmr_engine_away(x->host, text);
    PQfinish(x->db);
    x->db = NULL;
    x->is_good = false;
}

/* ---- opening ---- */

static bool is_name(const char *s)
{
    const size_t n = strlen(s);
    return n && n <= NAME_MAX_BYTES && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == n && (*s < '0' || *s > '9');
}

static int open_engine(void *ctx, struct mmr_engine_host *h, const char *const pairs[][2], size_t n, int *ret_fd, struct mmr_error *err)
{
    struct engine *x = ctx;
    char *why = NULL;
    x->host = h;
    x->end = &x->head;
    x->url = strdup(mmr_engine_pair(pairs, n, "engine"));
    x->table = strdup(mmr_engine_pair(pairs, n, "engine_stream"));
    x->login = strdup(mmr_engine_pair(pairs, n, "engine_login"));
    x->ca = strdup(mmr_engine_pair(pairs, n, "engine_ca"));
    x->may_make = strcmp(mmr_engine_pair(pairs, n, "engine_replicas"), "0") != 0;
    *ret_fd = -1;
    if (!x->url || !x->table || !x->login || !x->ca)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    if (!is_name(x->table))
        return mmr_fail(err, MMR_ECONFIG, "collector.engine_stream '%.60s': expected a table's name, of up to %d small letters, digits and '_'", x->table, NAME_MAX_BYTES);
    PQconninfoOption *parts = PQconninfoParse(x->url, &why);
    if (!parts) {
        (void)mmr_fail(err, MMR_ECONFIG, "collector.engine: %.*s", why ? (int)strcspn(why, "\n") : 1, why ? why : "?");
        PQfreemem(why);
        return MMR_ECONFIG;
    }
    bool has_password = false;
    for (const PQconninfoOption *o = parts; o->keyword; o++)
        has_password |= strcmp(o->keyword, "password") == 0 && o->val;
    PQconninfoFree(parts);
    return has_password ? mmr_fail(err, MMR_ECONFIG, "collector.engine has a password in it: it belongs into the file of collector.engine_login, a line"
                                                     " host:port:database:user:password")
                        : 0;
}

static void check(struct engine *x, const char *setting, const char *expected, const char *so)
{
    char sql[SQL_MAX];
    (void)snprintf(sql, sizeof sql, "SHOW %s", setting);
    PGresult *r = PQexec(x->db, sql);
    const char *found = PQresultStatus(r) == PGRES_TUPLES_OK ? PQgetvalue(r, 0, 0) : "not known";
    if (strcmp(found, expected) != 0)
        mmr_log(MMR_LOG_WARN, "postgresql.unsafe", "what=\"%s\" found=\"%s\" expected=\"%s\" so=\"%s\"", setting, found, expected, so);
    PQclear(r);
}

static bool run(struct engine *x, const char *sql)
{
    PGresult *r = PQexec(x->db, sql);
    const bool is_done = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    PQclear(r);
    return is_done;
}

static void quiet(void *ctx, const char *message) /* "it exists already" and the like */
{
    (void)ctx;
    (void)message;
}

static void connect_now(struct engine *x)
{
    const char *keys[] = {"dbname", "connect_timeout", "application_name", "client_encoding", "tcp_user_timeout", *x->login ? "passfile" : "fallback_application_name",
                          *x->ca ? "sslrootcert" : "fallback_application_name", *x->ca ? "sslmode" : "fallback_application_name", NULL};
    const char *values[] = {x->url, "5", "mamori collector", "UTF8", "15000", *x->login ? x->login : "mamori", *x->ca ? x->ca : "mamori", *x->ca ? "verify-full" : "mamori", NULL};
    char sql[SQL_MAX];
    x->db = PQconnectdbParams(keys, values, 1);
    if (PQstatus(x->db) != CONNECTION_OK) {
        leave(x, "the database of collector.engine cannot be reached");
        return;
    }
    (void)PQsetNoticeProcessor(x->db, quiet, NULL);
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE IF NOT EXISTS %s(id uuid PRIMARY KEY, site text NOT NULL, lane text NOT NULL, kind text NOT NULL, number bigint NOT NULL,"
                   " at timestamptz NOT NULL, received timestamptz NOT NULL DEFAULT now(), record jsonb NOT NULL)",
                   x->table);
    if (!run(x, "SET statement_timeout = '15s'") || !run(x, "SET synchronous_commit = on") || (x->may_make && !run(x, sql))) {
        leave(x, "making the table of collector.engine_stream");
        return;
    }
    (void)snprintf(sql, sizeof sql, "SELECT id, site, lane, kind, number, at, record FROM %s LIMIT 0", x->table);
    if (!run(x, sql)) {
        leave(x, "looking at the table of collector.engine_stream (with collector.engine_replicas: 0 it is never made)");
        return;
    }
    check(x, "fsync", "on", "when power fails, what was acknowledged may be lost, and the database with it");
    check(x, "full_page_writes", "on", "when power fails in the middle of a write, the database may be damaged");
    mmr_log(MMR_LOG_INFO, "postgresql.connected", "server=%s database=%s table=%s version=%d", PQhost(x->db), PQdb(x->db), x->table, PQserverVersion(x->db));
    x->is_good = true;
    mmr_engine_ready(x->host);
}

/* ---- records ---- */

static void record(void *ctx, const struct mmr_engine_record *r)
{
    struct engine *x = ctx;
    struct row *q = calloc(1, sizeof *q);
    if (!q || !(q->site = strdup(r->site)) || !(q->kind = strdup(r->kind)) || !(q->json = malloc(r->len + 1))) {
        mmr_log(MMR_LOG_ERR, "postgresql.no_memory", "what=\"ends; what was not told done comes again\"");
        exit(3);
    }
    memcpy(q->json, r->json, r->len);
    q->json[r->len] = '\0';
    q->len = r->len;
    q->seq = r->seq;
    mmr_uuid_format(r->id, q->id);
    mmr_time_format(r->at_ns, q->at, sizeof q->at);
    (void)snprintf(q->number, sizeof q->number, "%llu", (unsigned long long)(r->number & INT64_MAX));
    (void)snprintf(q->lane, sizeof q->lane, "%s", r->is_urgent ? "urgent" : "other");
    *x->end = q;
    x->end = &q->next;
}

static struct row *pop(struct engine *x)
{
    struct row *q = x->head;
    x->head = q->next;
    if (!x->head)
        x->end = &x->head;
    return q;
}

static void free_row(struct row *q)
{
    free(q->site);
    free(q->kind);
    free(q->json);
    free(q);
}

/* The first n, as one statement, which is one transaction. *ret_state: SQLSTATE of what went wrong, "" the connection */
static bool store(struct engine *x, uint32_t n, char ret_state[6])
{
    static const char *const types[COLUMNS] = {"uuid", "text", "text", "text", "bigint", "timestamptz", "jsonb"};
    const char *values[BATCH * COLUMNS];
    char *sql = malloc((size_t)n * COLUMNS * 24 + SQL_MAX);
    const struct row *q = x->head;
    ret_state[0] = '\0';
    if (!sql)
        return false;
    int at = snprintf(sql, SQL_MAX, "INSERT INTO %s(id, site, lane, kind, number, at, record) VALUES", x->table);
    for (uint32_t i = 0; i < n; i++, q = q->next) {
        const char *const row[COLUMNS] = {q->id, q->site, q->lane, q->kind, q->number, q->at, q->json};
        for (uint32_t c = 0; c < COLUMNS; c++) {
            values[i * COLUMNS + c] = row[c];
            at += snprintf(sql + at, 24, "%s$%u::%s%s", c ? "," : i ? ",(" : "(", i * COLUMNS + c + 1, types[c], c + 1 == COLUMNS ? ")" : "");
        }
    }
    (void)snprintf(sql + at, SQL_MAX - 200, " ON CONFLICT (id) DO NOTHING");
    PGresult *r = PQexecParams(x->db, sql, (int)(n * COLUMNS), NULL, values, NULL, NULL, 0);
    free(sql);
    const bool is_stored = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (is_stored) {
        const uint64_t new = strtoull(PQcmdTuples(r), NULL, 10);
        x->stored += new;
        x->known += n - new;
    } else {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        (void)snprintf(ret_state, 6, "%s", state && PQstatus(x->db) == CONNECTION_OK ? state : "");
    }
    PQclear(r);
    return is_stored;
}

/* Class 22, data that cannot be: of this record, or of one in the batch. */
static bool is_data(const char *state)
{
    return strncmp(state, "22", 2) == 0;
}

static void tell(struct engine *x, uint32_t n)
{
    while (n--) {
        struct row *q = pop(x);
        mmr_engine_done(x->host, q->seq);
        free_row(q);
    }
}

/* false: not now */
static bool store_some(struct engine *x)
{
    char state[6], why[300];
    uint32_t n = 0;
    size_t bytes = 0;
    for (const struct row *q = x->head; q && n < BATCH && (n == 0 || bytes + q->len <= BATCH_BYTES); q = q->next, n++)
        bytes += q->len;
    if (store(x, n, state)) {
        tell(x, n);
        return true;
    }
    if (!is_data(state)) {
        leave(x, "storing");
        return false;
    }
    for (uint32_t i = 0; i < n; i++) { /* one of them: which? */
        if (store(x, 1, state)) {
            tell(x, 1);
        } else if (is_data(state)) {
            fail_text(x, why, sizeof why);
            struct row *q = pop(x);
            x->refused++;
            mmr_engine_never(x->host, q->seq, why);
            free_row(q);
        } else {
            leave(x, "storing");
            return false;
        }
    }
    return true;
}

static int work(void *ctx, int64_t now_ns, struct mmr_error *err)
{
    struct engine *x = ctx;
    (void)err;
    if (!x->db && (!x->tried_ns || now_ns - x->tried_ns >= RETRY_MS * MMR_NS_PER_MS)) {
        connect_now(x);
        x->tried_ns = mmr_clock_mono_ns();
    }
    if (x->is_good && x->head && store_some(x) && x->head)
        mmr_engine_again(x->host); /* one batch a turn: the pipe is served between */
    return 0;
}

int main(void)
{
    static const struct mmr_engine_ops ops = {.name = "postgresql", .open = open_engine, .record = record, .work = work};
    struct engine x = {0};
    int status = mmr_engine_serve(&ops, &x);
    mmr_log(MMR_LOG_INFO, "postgresql.ended", "stored=%llu known_already=%llu refused=%llu", (unsigned long long)x.stored, (unsigned long long)x.known,
            (unsigned long long)x.refused);
    while (x.head)
        free_row(pop(&x));
    PQfinish(x.db);
    free(x.url);
    free(x.table);
    free(x.login);
    free(x.ca);
    return status;
}
