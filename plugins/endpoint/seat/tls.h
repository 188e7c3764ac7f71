/* tls.h - the server's end of TLS, over memory: bytes of the socket go in and come out, no descriptor. */
#ifndef MMR_SEAT_TLS_H
#define MMR_SEAT_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <mamori/error.h>

struct mmr_tls;     /* certificate, key and who may connect: one for all listeners */
struct mmr_tls_end; /* one connection */

/*
 * mmr_tls_new - TLS 1.2 and later.
 *
 * cert, key  PEM files: our chain and its key
 * ca         PEM file of who signs the senders' certificates, or NULL/"": senders need none. With it a
 *            sender without a certificate signed there does not get in
 * errors     MMR_ECONFIG naming the file
 */
int mmr_tls_new(const char *cert, const char *key, const char *ca, struct mmr_tls **ret, struct mmr_error *err);
void mmr_tls_free(struct mmr_tls *t);
bool mmr_tls_wants_certificates(const struct mmr_tls *t);

struct mmr_tls_end *mmr_tls_accept(struct mmr_tls *t); /* NULL: no memory */
void mmr_tls_end_free(struct mmr_tls_end *e);
/* Bytes from the socket. MMR_ENOMEM */
int mmr_tls_feed(struct mmr_tls_end *e, const void *p, size_t n);
/* 1: the handshake is done, 0: more bytes are needed, or an error with the reason. What is to be sent is in mmr_tls_drain(). */
int mmr_tls_handshake(struct mmr_tls_end *e, struct mmr_error *err);
/* Plain bytes: their number, 0: none now, MMR_ENOENT the peer closed, or an error. */
int mmr_tls_read(struct mmr_tls_end *e, void *p, size_t n, struct mmr_error *err);
int mmr_tls_write(struct mmr_tls_end *e, const void *p, size_t n, struct mmr_error *err);
/* Bytes for the socket: their number, 0: none. */
size_t mmr_tls_drain(struct mmr_tls_end *e, void *p, size_t n);
/* Calls name() for each DNS name of the peer's certificate, then for its common name, until it answers true. */
bool mmr_tls_peer_names(struct mmr_tls_end *e, bool (*name)(void *ctx, const char *text), void *ctx);

#endif
