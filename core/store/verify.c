/* verify.c - walks the evidence chain and the checkpoint signatures; names the first bad record. */
#include "store/evidence.h"

#include "store/chain.h"
#include "store/private.h"

#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct walk {
    struct mmr_db *db;
    struct mmr_evidence_report *out;
    uint8_t head[MMR_EVIDENCE_HASH];
    uint8_t key[crypto_sign_PUBLICKEYBYTES];
    bool has_key;
};

__attribute__((format(printf, 3, 4))) static void bad(struct walk *w, uint64_t seq, const char *fmt,
                                                      ...)
{
    if (w->out->bad_seq && w->out->bad_seq <= seq)
        return;
    w->out->bad_seq = seq ? seq : 1;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->out->bad, sizeof w->out->bad, fmt, ap);
    va_end(ap);
}

static int read_pub(struct walk *w, const char *dir, struct mmr_error *err)
{
    mmr_autofree char *path = NULL;
    if (asprintf(&path, "%s/" MMR_CHAIN_PUB_FILE, dir) < 0) {
        path = NULL;
        return mmr_fail(err, MMR_ENOMEM, "verify: out of memory");
    }
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return mmr_fail(err, MMR_EIO, "public key '%.150s': %s", path, strerror(errno));
    w->has_key = fd >= 0 && read(fd, w->key, sizeof w->key) == (ssize_t)sizeof w->key;
    return 0;
}

static void check_record(struct walk *w, sqlite3_stmt *s)
{
    const uint64_t want = w->out->records + 1, seq = (uint64_t)sqlite3_column_int64(s, 0);
    const void *kind = sqlite3_column_text(s, 2), *body = sqlite3_column_blob(s, 3),
               *prev = sqlite3_column_blob(s, 4), *stored = sqlite3_column_blob(s, 5);
    const int kind_len = sqlite3_column_bytes(s, 2), len = sqlite3_column_bytes(s, 3);
    uint8_t hash[MMR_EVIDENCE_HASH];
    if (seq != want) {
        bad(w, want, "record %llu is missing; the next one is %llu", (unsigned long long)want,
            (unsigned long long)seq);
        return;
    }
    if (sqlite3_column_bytes(s, 4) != MMR_EVIDENCE_HASH ||
        sqlite3_column_bytes(s, 5) != MMR_EVIDENCE_HASH || !prev || !stored || !kind ||
        kind_len < 1 || kind_len > MMR_EVIDENCE_KIND_MAX || len > MMR_EVIDENCE_BODY_MAX) {
        bad(w, seq, "a field has an impossible length");
        return;
    }
    if (memcmp(prev, w->head, MMR_EVIDENCE_HASH) != 0) {
        bad(w, seq, "its previous hash is not the hash of record %llu",
            (unsigned long long)(seq - 1));
        return;
    }
    mmr_chain_hash(seq, sqlite3_column_int64(s, 1), kind, (size_t)kind_len, body ? body : "",
                   (size_t)len, prev, hash);
    if (memcmp(stored, hash, sizeof hash) != 0) {
        bad(w, seq, "its content does not have the recorded hash");
        return;
    }
    memcpy(w->head, hash, sizeof hash);
    w->out->records = seq;
}

/* A damaged page is a bad record, not a failure of the walk: it is named by the number after the
 * last good one. */
static void damaged(struct walk *w)
{
    bad(w, w->out->records + 1, "the file is damaged there: %.100s",
        sqlite3_errmsg(mmr_db_handle(w->db)));
}

static int walk_records(struct walk *w, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc,
        r = mmr_db_ask(w->db, "SELECT seq, time, kind, body, prev, hash FROM evidence ORDER BY seq",
                       &s, err);
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && !w->out->bad_seq)
        check_record(w, s);
    if (rc == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_CORRUPT)
        damaged(w);
    else if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return mmr_db_fail(w->db, s, "reading the evidence log", err);
    (void)sqlite3_reset(s);
    return 0;
}

static void check_checkpoint(struct walk *w, sqlite3_stmt *s)
{
    const uint64_t seq = (uint64_t)sqlite3_column_int64(s, 0);
    const int64_t time_ns = sqlite3_column_int64(s, 1);
    const void *hash = sqlite3_column_blob(s, 2), *key = sqlite3_column_blob(s, 3),
               *sig = sqlite3_column_blob(s, 4), *record = sqlite3_column_blob(s, 5);
    uint8_t bytes[MMR_CHAIN_SIGNED_BYTES];
    if (sqlite3_column_bytes(s, 2) != MMR_EVIDENCE_HASH ||
        sqlite3_column_bytes(s, 4) != crypto_sign_BYTES || !hash || !sig || !key) {
        bad(w, seq, "its checkpoint has an impossible length");
        return;
    }
    if (!w->has_key) {
        bad(w, seq,
            "its checkpoint cannot be checked: " MMR_CHAIN_PUB_FILE " is missing or no key");
        return;
    }
    if (sqlite3_column_bytes(s, 3) != (int)sizeof w->key ||
        memcmp(key, w->key, sizeof w->key) != 0) {
        bad(w, seq, "its checkpoint is signed with another key");
        return;
    }
    mmr_chain_signed_bytes(seq, time_ns, hash, bytes);
    if (crypto_sign_verify_detached(sig, bytes, sizeof bytes, w->key) != 0) {
        bad(w, seq, "its checkpoint's signature is wrong");
        return;
    }
    if (!record || sqlite3_column_bytes(s, 5) != MMR_EVIDENCE_HASH) {
        bad(w, seq > w->out->records ? w->out->records + 1 : seq,
            "a signed checkpoint says that record %llu existed; it is gone",
            (unsigned long long)seq);
        return;
    }
    if (memcmp(record, hash, MMR_EVIDENCE_HASH) != 0) {
        bad(w, seq, "the signed checkpoint has another hash");
        return;
    }
    w->out->checkpoints++;
    w->out->signed_upto = seq;
}

static int walk_checkpoints(struct walk *w, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc, r = mmr_db_ask(w->db,
                           "SELECT c.seq, c.time, c.hash, c.key, c.sig, e.hash FROM checkpoint c "
                           "LEFT JOIN evidence e ON e.seq = c.seq"
                           " ORDER BY c.seq",
                           &s, err);
    if (r < 0)
        return r;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        check_checkpoint(w, s);
    if ((rc & 0xff) == SQLITE_CORRUPT)
        damaged(w);
    else if (rc != SQLITE_DONE)
        return mmr_db_fail(w->db, s, "reading the checkpoints", err);
    (void)sqlite3_reset(s);
    return 0;
}

int mmr_evidence_verify(const char *dir, struct mmr_evidence_report *ret, struct mmr_error *err)
{
    struct walk w = {.out = ret};
    *ret = (struct mmr_evidence_report){0};
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "libsodium does not start");
    int r = mmr_db_open(dir, MMR_DB_READONLY, &w.db, err);
    if (r < 0)
        return r;
    if ((r = read_pub(&w, dir, err)) == 0 && (r = walk_records(&w, err)) == 0)
        r = walk_checkpoints(&w, err);
    mmr_db_close(w.db);
    if (r == 0 && ret->records == 0 && !ret->bad_seq)
        return mmr_fail(err, MMR_ENOENT,
                        "the evidence log in '%.150s' is empty: there is nothing to verify", dir);
    if (r == 0)
        (void)sodium_bin2hex(ret->head_hex, sizeof ret->head_hex, w.head, sizeof w.head);
    return r;
}
