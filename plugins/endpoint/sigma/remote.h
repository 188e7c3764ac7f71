/*
 * remote.h - the address a command is about to call, read out of its text: a reverse shell's end or
 * a download's server. Base64 (of UTF-8 and UTF-16) inside the text is read too, once.
 */
#ifndef MMR_SIGMA_REMOTE_H
#define MMR_SIGMA_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct remote {
    char ip[46]; /* text of an address that can be called; never loopback, any or multicast */
    uint16_t port; /* 0: not told */
};

/* any  every address counts; false: only one that a web address names (http://192.0.2.1/) */
bool remote_find(const char *text, size_t len, bool any, struct remote *ret);

#endif
