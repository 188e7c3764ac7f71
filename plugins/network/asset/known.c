/* known.c - see known.h. A line that was cut by a power failure is skipped; what it said is learnt again. */
#include "known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 2 * KNOWN_MAX };
struct known {
    uint64_t slot[SLOTS]; /* card and port in 64 bits; 0 free */
    uint32_t n;
    int64_t since_s;
    FILE *file;
};

static uint64_t key_of(const uint8_t mac[6], uint16_t port)
{
    uint64_t k = 0;
    for (int i = 0; i < 6; i++)
        k = k << 8 | mac[i];
    return k << 16 | port;
}

static bool put(struct known *k, uint64_t key)
{
    uint32_t i = (uint32_t)(key * 0x9fb21c651e98df25U >> 40) % SLOTS;
    while (k->slot[i] && k->slot[i] != key)
        i = (i + 1) % SLOTS;
    if (k->slot[i] || k->n == KNOWN_MAX)
        return false;
    k->slot[i] = key;
    k->n++;
    return true;
}

int known_open(const char *dir, int64_t now_s, struct known **ret, struct mmr_error *err)
{
    char path[4096], line[128];
    struct known *k = calloc(1, sizeof *k);
    if (!k)
        return mmr_fail(err, MMR_ENOMEM, "asset: out of memory");
    (void)snprintf(path, sizeof path, "%s/known", dir);
    k->file = fopen(path, "a+e");
    if (!k->file) {
        free(k);
        return mmr_fail(err, MMR_EIO, "asset: '%s' cannot be written", path);
    }
    rewind(k->file);
    while (fgets(line, sizeof line, k->file)) {
        unsigned m[6], port;
        long long since;
        uint8_t mac[6];
        if (sscanf(line, "since %lld", &since) == 1) {
            k->since_s = since;
        } else if (strchr(line, '\n') && sscanf(line, "%2x:%2x:%2x:%2x:%2x:%2x %u", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &port) == 7) {
            for (int i = 0; i < 6; i++)
                mac[i] = (uint8_t)m[i];
            (void)put(k, key_of(mac, (uint16_t)port));
        }
    }
    (void)fseek(k->file, 0, SEEK_END); /* from reading to writing */
    if (!k->since_s) {
        k->since_s = now_s;
        (void)fprintf(k->file, "since %lld\n", (long long)now_s);
        (void)fflush(k->file);
    }
    *ret = k;
    return 0;
}

void known_close(struct known *k)
{
    if (!k)
        return;
    (void)fclose(k->file);
    free(k);
}

int64_t known_since_s(const struct known *k)
{
    return k->since_s;
}

bool known_add(struct known *k, const uint8_t mac[6], uint16_t port)
{
    if (!put(k, key_of(mac, port)))
        return false;
    (void)fprintf(k->file, "%02x:%02x:%02x:%02x:%02x:%02x %u\n", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], port);
    (void)fflush(k->file);
    return true;
}
