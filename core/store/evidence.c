/* evidence.c - appending to the hash chain, and signing its head. */
#include "store/evidence.h"

#include "store/chain.h"
#include "store/private.h"

#include "util/clock.h"
#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHECKPOINT_RECORDS = 256 };
#define CHECKPOINT_NS (10 * 60 * MMR_NS_PER_S)

struct mmr_evidence_log {
    struct mmr_db *db; /* borrowed */
    uint8_t secret[crypto_sign_SECRETKEYBYTES], public[crypto_sign_PUBLICKEYBYTES];
    uint64_t unsigned_records; /* appended since the last checkpoint, by this handle */
    int64_t unsigned_since_ns;
};

static uint8_t *put_be(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned k = 0; k < bytes; k++)
        *p++ = (uint8_t)(v >> (8 * (bytes - 1 - k)));
    return p;
}

void mmr_chain_hash(uint64_t seq, int64_t time_ns, const char *kind, size_t kind_len,
                    const void *body, size_t len, const uint8_t prev[MMR_EVIDENCE_HASH],
                    uint8_t ret[MMR_EVIDENCE_HASH])
{
    static const char domain[] = "mamori evidence 1";
    uint8_t head[8 + 8 + 4 + 8], *p = head;
    crypto_generichash_state h;
    p = put_be(p, seq, 8);
    p = put_be(p, (uint64_t)time_ns, 8);
    p = put_be(p, kind_len, 4); /* lengths first: no two records have the same bytes */
    (void)put_be(p, len, 8);
    (void)crypto_generichash_init(&h, NULL, 0, MMR_EVIDENCE_HASH);
    (void)crypto_generichash_update(&h, (const uint8_t *)domain, sizeof domain);
    (void)crypto_generichash_update(&h, prev, MMR_EVIDENCE_HASH);
    (void)crypto_generichash_update(&h, head, sizeof head);
    (void)crypto_generichash_update(&h, (const uint8_t *)kind, kind_len);
    (void)crypto_generichash_update(&h, body, len);
    (void)crypto_generichash_final(&h, ret, MMR_EVIDENCE_HASH);
}

void mmr_chain_signed_bytes(uint64_t seq, int64_t time_ns, const uint8_t hash[MMR_EVIDENCE_HASH],
                            uint8_t ret[MMR_CHAIN_SIGNED_BYTES])
{
    static const char domain[16] = "mamori checkp. 1";
    memcpy(ret, domain, sizeof domain);
    uint8_t *p = put_be(ret + sizeof domain, seq, 8);
    p = put_be(p, (uint64_t)time_ns, 8);
    memcpy(p, hash, MMR_EVIDENCE_HASH);
}

/* ---- key ---- */

static int read_seed(const char *path, uint8_t seed[crypto_sign_SEEDBYTES], struct mmr_error *err)
{
    struct stat st;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return mmr_fail(err, errno == ENOENT ? MMR_ENOENT : MMR_EIO, "signing key '%.150s': %s",
                        path, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return mmr_fail(err, MMR_EPERM, "signing key '%.150s' is no plain file", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return mmr_fail(err, MMR_EPERM, "signing key '%.150s' can be read by others; chmod 600 it",
                        path);
    if (st.st_size != crypto_sign_SEEDBYTES ||
        read(fd, seed, crypto_sign_SEEDBYTES) != crypto_sign_SEEDBYTES)
        return mmr_fail(err, MMR_EBADMSG, "signing key '%.150s' has %lld bytes, expected %d", path,
                        (long long)st.st_size, (int)crypto_sign_SEEDBYTES);
    return 0;
}

static int write_public(const char *dir, const uint8_t pk[crypto_sign_PUBLICKEYBYTES], struct mmr_error *err)
{
    mmr_autofree char *path = NULL;
    if (asprintf(&path, "%s/" MMR_CHAIN_PUB_FILE, dir) < 0) {
        path = NULL;
        return mmr_fail(err, MMR_ENOMEM, "signing key: out of memory");
    }
    return mmr_file_replace("public key", path, 0644, pk, crypto_sign_PUBLICKEYBYTES, err);
}

/* The public half first: where the secret one is, the other is there, too. */
static int make_key(const char *dir, const char *key_path, uint8_t seed[crypto_sign_SEEDBYTES], struct mmr_error *err)
{
    uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
    randombytes_buf(seed, crypto_sign_SEEDBYTES);
    (void)crypto_sign_seed_keypair(pk, sk, seed);
    sodium_memzero(sk, sizeof sk);
    int r = write_public(dir, pk, err);
    return r ? r : mmr_file_replace("signing key", key_path, 0600, seed, crypto_sign_SEEDBYTES, err);
}

static bool has_public(const char *dir)
{
    mmr_autofree char *path = NULL;
    struct stat st;
    if (asprintf(&path, "%s/" MMR_CHAIN_PUB_FILE, dir) < 0)
        path = NULL;
    return path && stat(path, &st) == 0 && st.st_size == crypto_sign_PUBLICKEYBYTES;
}

static int ask_head(struct mmr_db *db, uint64_t *ret_seq, uint8_t hash[MMR_EVIDENCE_HASH],
                    struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT seq, hash FROM evidence ORDER BY seq DESC LIMIT 1", &s, err);
    if (r < 0)
        return r;
    memset(hash, 0, MMR_EVIDENCE_HASH);
    *ret_seq = 0;
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        *ret_seq = (uint64_t)sqlite3_column_int64(s, 0);
        if (sqlite3_column_bytes(s, 1) != MMR_EVIDENCE_HASH)
            r = mmr_fail(err, MMR_EBADMSG,
                         "evidence record %llu has no whole hash; run 'mamori evidence verify'",
                         (unsigned long long)*ret_seq);
        else
            memcpy(hash, sqlite3_column_blob(s, 1), MMR_EVIDENCE_HASH);
    } else if (rc != SQLITE_DONE) {
        return mmr_db_fail(db, s, "reading the evidence log's head", err);
    }
    (void)sqlite3_reset(s);
    return r;
}

int mmr_evidence_open(struct mmr_db *db, struct mmr_evidence_log **ret, struct mmr_error *err)
{
    uint8_t seed[crypto_sign_SEEDBYTES], hash[MMR_EVIDENCE_HASH];
    uint64_t seq;
    mmr_autofree char *path = NULL;
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "libsodium does not start");
    if (asprintf(&path, "%s/" MMR_CHAIN_KEY_FILE, mmr_db_dir(db)) < 0) {
        path = NULL;
        return mmr_fail(err, MMR_ENOMEM, "evidence: out of memory");
    }
    int r = ask_head(db, &seq, hash, err);
    if (r < 0)
        return r;
    r = read_seed(path, seed, err);
    if (r == MMR_ENOENT && seq > 0)
        return mmr_fail(err, MMR_EPERM,
                        "signing key '%.100s' is missing beside a log of %llu records; restore it",
                        path, (unsigned long long)seq);
    if (r == MMR_ENOENT || (r == MMR_EBADMSG && seq == 0)) /* cut short when it was made: nothing is signed with it */
        r = make_key(mmr_db_dir(db), path, seed, err);
    if (r < 0)
        return r;
    struct mmr_evidence_log *e = calloc(1, sizeof *e);
    if (!e)
        return mmr_fail(err, MMR_ENOMEM, "evidence: out of memory");
    e->db = db;
    (void)crypto_sign_seed_keypair(e->public, e->secret, seed);
    sodium_memzero(seed, sizeof seed);
    if (!has_public(mmr_db_dir(db)) && (r = write_public(mmr_db_dir(db), e->public, err)) != 0) {
        mmr_evidence_close(e);
        return r;
    }
    *ret = e;
    return 0;
}

void mmr_evidence_close(struct mmr_evidence_log *e)
{
    if (!e)
        return;
    sodium_memzero(e->secret, sizeof e->secret);
    free(e);
}

int mmr_evidence_append(struct mmr_evidence_log *e, const char *kind, int64_t time_ns,
                        const void *body, size_t len, uint64_t *ret_seq, struct mmr_error *err)
{
    uint8_t prev[MMR_EVIDENCE_HASH], hash[MMR_EVIDENCE_HASH];
    const size_t kind_len = strlen(kind);
    uint64_t seq;
    sqlite3_stmt *s;
    if (kind_len == 0 || kind_len > MMR_EVIDENCE_KIND_MAX)
        return mmr_fail(err, MMR_EINVAL, "evidence: kind '%.60s' has %zu bytes, expected 1 to %d",
                        kind, kind_len, MMR_EVIDENCE_KIND_MAX);
    if (len > MMR_EVIDENCE_BODY_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "evidence: a %.40s of %zu bytes, at most %d", kind, len,
                        MMR_EVIDENCE_BODY_MAX);
    /* the head is read from the database each time: after a rollback it is right again by itself */
    int r = mmr_db_begin(e->db, err);
    if (r < 0 || (r = ask_head(e->db, &seq, prev, err)) < 0)
        return r;
    seq++;
    mmr_chain_hash(seq, time_ns, kind, kind_len, len ? body : "", len, prev, hash);
    r = mmr_db_write(
        e->db,
        "INSERT INTO evidence(seq, time, kind, body, prev, hash) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)seq);
    (void)sqlite3_bind_int64(s, 2, time_ns);
    (void)sqlite3_bind_text(s, 3, kind, (int)kind_len, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(s, 4, len ? body : "", len, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 5, prev, sizeof prev, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 6, hash, sizeof hash, SQLITE_STATIC);
    if ((r = mmr_db_done(e->db, s, len + 128, "evidence record", err)) < 0)
        return r;
    if (e->unsigned_records++ == 0)
        e->unsigned_since_ns = time_ns;
    if (ret_seq)
        *ret_seq = seq;
    return 0;
}

int mmr_evidence_checkpoint(struct mmr_evidence_log *e, int64_t time_ns, struct mmr_error *err)
{
    uint8_t hash[MMR_EVIDENCE_HASH], bytes[MMR_CHAIN_SIGNED_BYTES], sig[crypto_sign_BYTES];
    uint64_t seq;
    sqlite3_stmt *s;
    int r = ask_head(e->db, &seq, hash, err);
    if (r < 0 || seq == 0)
        return r;
    mmr_chain_signed_bytes(seq, time_ns, hash, bytes);
    (void)crypto_sign_detached(sig, NULL, bytes, sizeof bytes, e->secret);
    r = mmr_db_write(e->db,
                     "INSERT INTO checkpoint(seq, time, hash, key, sig) VALUES(?1, ?2, ?3, ?4, ?5) "
                     "ON CONFLICT(seq) DO NOTHING",
                     &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)seq);
    (void)sqlite3_bind_int64(s, 2, time_ns);
    (void)sqlite3_bind_blob(s, 3, hash, sizeof hash, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 4, e->public, sizeof e->public, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 5, sig, sizeof sig, SQLITE_STATIC);
    if ((r = mmr_db_done(e->db, s, 160, "checkpoint", err)) == 0)
        e->unsigned_records = 0;
    return r;
}

bool mmr_evidence_is_checkpoint_due(const struct mmr_evidence_log *e, int64_t now_ns)
{
    return e->unsigned_records >= CHECKPOINT_RECORDS ||
           (e->unsigned_records > 0 && now_ns - e->unsigned_since_ns >= CHECKPOINT_NS);
}

int mmr_evidence_each(struct mmr_db *db, uint64_t from_seq,
                      int (*fn)(void *ctx, uint64_t seq, int64_t time_ns, const char *kind,
                                const void *body, size_t len),
                      void *ctx, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc,
        r = mmr_db_ask(
            db, "SELECT seq, time, kind, body FROM evidence WHERE seq >= ?1 ORDER BY seq", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)from_seq);
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            return mmr_db_fail(db, s, "reading the evidence log", err);
        const char *kind = (const char *)sqlite3_column_text(s, 2);
        r = fn(ctx, (uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
               kind ? kind : "", sqlite3_column_blob(s, 3), (size_t)sqlite3_column_bytes(s, 3));
    }
    (void)sqlite3_reset(s);
    return r;
}
