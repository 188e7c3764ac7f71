/*
 * client.h - asks the running mamori over its control socket (server.h says how). Blocking, with a time limit.
 */
#ifndef MMR_CONTROL_CLIENT_H
#define MMR_CONTROL_CLIENT_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

struct json_object;

/* A line of the answer, without the one that ends it (borrowed); text as it came, len bytes and a NUL.
 * Return 0 to go on; anything else stops and is returned. */
typedef int (*mmr_control_line_fn)(void *ctx, struct json_object *line, const char *text, size_t len);

/*
 * mmr_control_ask - one request, every line of its answer.
 *
 * run_dir     where the socket is (node.run_dir)
 * args        borrowed; NULL: none
 * timeout_ms  for the whole of it
 * ret_status  enum mmr_exit as the server said
 * errors      MMR_ENOENT nothing runs here (the text says how to start it); MMR_EPERM this user may not ask;
 *             MMR_EIO the connection broke or the time is over; MMR_EBADMSG what came is no answer;
 *             MMR_EINVAL a path too long; MMR_ETOOBIG, MMR_ENOMEM
 */
int mmr_control_ask(const char *run_dir, const char *command, struct json_object *args, int64_t timeout_ms,
                    mmr_control_line_fn line, void *ctx, int *ret_status, struct mmr_error *err);

#endif
