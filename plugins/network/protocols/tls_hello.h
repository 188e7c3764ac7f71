/* tls_hello.h - the plain parts of a TLS handshake: hellos and certificates. Trusts none of the bytes. */
#ifndef MMR_PROTO_TLS_HELLO_H
#define MMR_PROTO_TLS_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TLS_NAME_MAX = 256, TLS_LIST_MAX = 128, TLS_DN_MAX = 512 };
struct tls_hello {
    uint16_t legacy_version, version; /* version: the highest offered, or the one chosen */
    char sni[TLS_NAME_MAX];
    char alpn[32];     /* the first */
    uint8_t random[32];
    char alpns[8][32]; /* all, as far as there is room */
    size_t n_alpns;
    char ja3[2048], ja3_hash[33]; /* of a server hello: JA3S */
    char ja4[40];      /* client only */
};
struct tls_cert {
    char subject[TLS_DN_MAX], issuer[TLS_DN_MAX];
    char serial[64];
    char not_before[24], not_after[24];
    int64_t not_before_s, not_after_s; /* seconds since 1970; below 0: unreadable or earlier */
    bool is_self_signed;
    char serial_colons[96]; /* "0A:1B", as rules write it */
    char fingerprint[60];   /* SHA-1, "aa:bb:…" */
    char names[16][128];    /* of the subject's alternative names */
    size_t n_names;
};
/* p, n: the handshake message's body. False: malformed. */
bool tls_client_hello(const uint8_t *p, size_t n, bool is_quic, struct tls_hello *ret);
bool tls_server_hello(const uint8_t *p, size_t n, struct tls_hello *ret);
bool tls_certificate(const uint8_t *der, size_t n, struct tls_cert *ret);
const char *tls_version_name(uint16_t v, char buf[16]); /* "TLS 1.2", as Suricata writes it */

#endif
