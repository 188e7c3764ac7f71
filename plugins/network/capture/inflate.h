/*
 * inflate.h - a capture file as a plain byte stream: opens a path or stdin, looks at its first bytes,
 * and inflates gzip on the way. Bytes come from outside: what a gzip stream may grow to is bounded.
 */
#ifndef MMR_CAPTURE_INFLATE_H
#define MMR_CAPTURE_INFLATE_H

#include <mamori/error.h>

#include <stdint.h>
#include <stdio.h>

enum { CAP_MAGIC_BYTES = 4 };
/*
 * cap_stream_open - open path ("-": stdin) for reading.
 *
 * max_bytes  how much a gzip stream may inflate to; beyond it the stream ends early
 * ret_magic  the first bytes of the (inflated) content; zero filled when it is shorter
 * ret_file   returned; fclose() it
 * errors     MMR_EIO, MMR_ENOMEM
 */
int cap_stream_open(const char *path, uint64_t max_bytes, uint8_t ret_magic[CAP_MAGIC_BYTES],
                    FILE **ret_file, struct mmr_error *err);

#endif
