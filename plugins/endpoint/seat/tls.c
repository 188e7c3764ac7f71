/* tls.c - OpenSSL behind tls.h. */
#include "tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct mmr_tls {
    SSL_CTX *ctx;
    bool wants_certificates;
};
struct mmr_tls_end {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
};

static const char *why(void)
{
    const char *text = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return text ? text : "no reason given";
}

int mmr_tls_new(const char *cert, const char *key, const char *ca, struct mmr_tls **ret, struct mmr_error *err)
{
    bool has_ca = ca && *ca;
    struct mmr_tls *t = calloc(1, sizeof *t);
    if (!cert || !*cert || !key || !*key) {
        free(t);
        return mmr_fail(err, MMR_ECONFIG, "a tls:// listener needs 'cert' and 'key': PEM files of this machine's certificate and its key");
    }
    if (t)
        t->ctx = SSL_CTX_new(TLS_server_method());
    int r = t && t->ctx ? 0 : mmr_fail(err, MMR_ENOMEM, "TLS: out of memory");
    if (r == 0) {
        (void)SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
        (void)SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
        (void)SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
        if (SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1)
            r = mmr_fail(err, MMR_ECONFIG, "cert '%s': %s; expected a PEM certificate chain", cert, why());
        else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(t->ctx) != 1)
            r = mmr_fail(err, MMR_ECONFIG, "key '%s': %s; expected the PEM key of '%s'", key, why(), cert);
    }
    if (r == 0 && has_ca) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca);
        if (!names || SSL_CTX_load_verify_locations(t->ctx, ca, NULL) != 1)
            r = mmr_fail(err, MMR_ECONFIG, "ca '%s': %s; expected PEM certificates", ca, why());
        if (r == 0)
            SSL_CTX_set_client_CA_list(t->ctx, names);
        else if (names)
            sk_X509_NAME_pop_free(names, X509_NAME_free);
        SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_verify_depth(t->ctx, 4);
        t->wants_certificates = true;
    }
    if (r != 0) {
        mmr_tls_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void mmr_tls_free(struct mmr_tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

bool mmr_tls_wants_certificates(const struct mmr_tls *t)
{
    return t->wants_certificates;
}

struct mmr_tls_end *mmr_tls_accept(struct mmr_tls *t)
{
    struct mmr_tls_end *e = calloc(1, sizeof *e);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (e)
        e->ssl = SSL_new(t->ctx);
    if (!e || !e->ssl || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        mmr_tls_end_free(e);
        return NULL;
    }
    BIO_set_mem_eof_return(in, -1); /* empty: more may come */
    SSL_set_bio(e->ssl, in, out);
    SSL_set_accept_state(e->ssl);
    e->in = in;
    e->out = out;
    return e;
}

void mmr_tls_end_free(struct mmr_tls_end *e)
{
    if (!e)
        return;
    SSL_free(e->ssl);
    free(e);
}

int mmr_tls_feed(struct mmr_tls_end *e, const void *p, size_t n)
{
    return n <= INT_MAX && BIO_write(e->in, p, (int)n) == (int)n ? 0 : MMR_ENOMEM;
}

static int failed(struct mmr_tls_end *e, int code, struct mmr_error *err)
{
    int what = SSL_get_error(e->ssl, code);
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        return 0;
    if (what == SSL_ERROR_ZERO_RETURN)
        return MMR_ENOENT;
    long verified = SSL_get_verify_result(e->ssl);
    const char *text = why();
    return mmr_fail(err, MMR_EBADMSG, "TLS: %s%s%s", text, verified == X509_V_OK ? "" : ": ",
                    verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified));
}

int mmr_tls_handshake(struct mmr_tls_end *e, struct mmr_error *err)
{
    ERR_clear_error();
    int r = SSL_do_handshake(e->ssl);
    if (r == 1)
        return 1;
    r = failed(e, r, err);
    return r == MMR_ENOENT ? mmr_fail(err, MMR_EBADMSG, "TLS: the peer closed during the handshake") : r;
}

int mmr_tls_read(struct mmr_tls_end *e, void *p, size_t n, struct mmr_error *err)
{
    ERR_clear_error();
    int r = SSL_read(e->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
    return r > 0 ? r : failed(e, r, err);
}

int mmr_tls_write(struct mmr_tls_end *e, const void *p, size_t n, struct mmr_error *err)
{
    ERR_clear_error();
    int r = SSL_write(e->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
    return r > 0 ? r : failed(e, r, err);
}

size_t mmr_tls_drain(struct mmr_tls_end *e, void *p, size_t n)
{
    int r = BIO_read(e->out, p, n > INT_MAX ? INT_MAX : (int)n);
    return r > 0 ? (size_t)r : 0;
}

static bool try_name(const ASN1_STRING *s, bool (*name)(void *ctx, const char *text), void *ctx)
{
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, s);
    bool is_it = n > 0 && strlen((const char *)text) == (size_t)n && name(ctx, (const char *)text); /* a NUL inside is a trick */
    if (n >= 0)
        OPENSSL_free(text);
    return is_it;
}

bool mmr_tls_peer_names(struct mmr_tls_end *e, bool (*name)(void *ctx, const char *text), void *ctx)
{
    X509 *cert = SSL_get_verify_result(e->ssl) == X509_V_OK ? SSL_get1_peer_certificate(e->ssl) : NULL;
    bool is_found = false;
    if (!cert)
        return false;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && !is_found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS)
            is_found = try_name(g->d.dNSName, name, ctx);
    }
    GENERAL_NAMES_free(names);
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (!is_found && at >= 0)
        is_found = try_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name, ctx);
    X509_free(cert);
    return is_found;
}
