/* http_body.h - undoes the content encoding of a whole body. Bytes come from the network; none is trusted. */
#ifndef MMR_PROTO_HTTP_BODY_H
#define MMR_PROTO_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * http_body_decode - gzip and deflate, up to two on each other; a body that is not what its header says stays
 * as it is.
 *
 * coding, n_coding  the header's value ("gzip", "gzip, deflate")
 * p, n              the body, possibly cut off
 * max               bytes of output at most: what a bomb can cost
 * ret, ret_n        the decoded bytes, free(); only when true is returned
 * returns           false: nothing to undo, or it is not that encoding, or no memory
 */
bool http_body_decode(const void *coding, size_t n_coding, const uint8_t *p, size_t n, size_t max, uint8_t **ret,
                      size_t *ret_n);

#endif
