/*
 * known.h - the cards and services that have been seen before, kept across restarts in one text file of the instance, a line
 * each. While the first days are learnt nothing is called new.
 */
#ifndef MMR_ASSET_KNOWN_H
#define MMR_ASSET_KNOWN_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stdint.h>

enum { KNOWN_MAX = 32768 };
struct known;
/* dir: of the instance. now_s: when a first start begins to learn. errors MMR_ENOMEM, MMR_EIO */
int known_open(const char *dir, int64_t now_s, struct known **ret, struct mmr_error *err);
void known_close(struct known *k); /* accepts NULL */
int64_t known_since_s(const struct known *k);
/* Remember it; true: it was not known. port 0: the card itself. At KNOWN_MAX nothing is new any more. */
bool known_add(struct known *k, const uint8_t mac[6], uint16_t port);

#endif
