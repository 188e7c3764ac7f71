/*
 * server.h - the control socket: a unix stream socket where a person, a script or the console asks the running
 * supervisor. Only root and the user that runs mamori are heard (SO_PEERCRED). Everything is [loop].
 *
 * A client sends one line of JSON, at most MMR_CONTROL_REQUEST_MAX bytes:
 *
 *     {"command": "status", "args": {...}}          args may be left out: {}
 *
 * and gets any number of lines, each one JSON object, then one that says it was all, and the status a command ends with
 * (enum mmr_exit: 0 good, 1 the answer is no, 2 the request is wrong, 3 it could not be done):
 *
 *     {"end": true, "status": 0}
 *
 * After that it may send the next request; requests of one client are served one after the other. A failure is told
 * by a line {"error": "one sentence"} before the end.
 *
 * Commands, and the lines they are answered with:
 *
 *   status            one object, as below; "brain" is null while the brain does not answer (or on an endpoint)
 *   reload            {"applied": true, "changes": ["one sentence", …]} (status 0), or
 *                     {"applied": false, "errors": ["file:line:column: text", …]} (1; the old configuration goes on)
 *   block.undo        args {"id": "16 hex digits"}; {"undone": id}: the order to take it back is out; what came of it
 *                     stands in the store (action state "undone"), or {"error"} (1: no such action)
 *   block.undo-all    {"undone": N}: so many orders are out
 *   responders.stop   {"hosts": ["nft", …]} once the processes of all responders have ended; they stay away for a minute
 *   responders.start  {"hosts": […]}: they come back, and the brain starts again with what the store says now
 *
 *   notice.test       args {"contact": "owner"} or {}: {"sent": N}; how far each got stands in notice.state
 *   notice.state      {"tests": [{"contact", "channel", "through", "level" (null: no answer yet), "sent", "detail"}]}
 *   notice.confirm    args {"id": "16 hex digits", "by": "name"}: a person has the message about that incident; {"done": true}
 *   notice.close      the same, and "withdrawn": bool: a person ends the messages about it
 *
 *   status: {
 *     "node": "hub-1", "role": "hub|endpoint", "profile": "default|service", "deployment": "office", "mode": "dry_run|auto",
 *     "version": "0.1.0", "uptime_s": 12, "config_dir": "…" or null,
 *     "light": "green|yellow|red|grey",       grey: it cannot be known; never green without every sensor's word
 *     "why": ["one sentence a person understands", …],
 *     "hosts": [{"name": "capture", "state": "stopped|starting|running|stopping|waiting|quarantined", "pid": 12 or null,
 *                "restarts": 0, "rss_bytes": 1, "next_start_ms": 0,
 *                "last_end": {"cause": "signal|stuck|…", "status": 11, "at": "RFC 3339", "instance": "", "text": "…"} or null,
 *                "instances": [{"name", "plugin", "version", "side": "network|endpoint", "caps": ["net.detect.inbound", …],
 *                               "events", "dropped", "refused", "receipts", "forwards",
 *                               "sees": {"in": true, "out": true} (a capture that measured it)}]}],
 *     "brain": {"node", "hostname", "incidents_open", "incidents_severe", "incidents_pending", "events", "refused", "findings",
 *               "folded", "duplicates", "ordered", "evicted", "store_ok", "store_error", "commits",
 *               "instances": [{"name", "up", "events", "refused"}], "outbox": {"forwarder": records that wait},
 *               "nodes": [{"name", "hostname", "up", "instances": "name plugin;…", "responders", "caps" (enum mmr_cap bits),
 *                          "clock_offset_ms", "clock_error_ms"}]}
 *   }
 */
#ifndef MMR_CONTROL_SERVER_H
#define MMR_CONTROL_SERVER_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

#define MMR_CONTROL_SOCKET "control.sock" /* in node.run_dir */

enum {
    MMR_CONTROL_REQUEST_MAX = 64 * 1024,      /* a request's line, newline included */
    MMR_CONTROL_LINE_MAX = 4 * 1024 * 1024,   /* a line of an answer */
    MMR_CONTROL_WAITING_MAX = 8 * 1024 * 1024, /* bytes a client has not taken yet; above it is closed */
    MMR_CONTROL_CLIENTS_MAX = 128,
    MMR_CONTROL_IDLE_S = 30,                  /* no request and nothing taken for so long: closed */
    MMR_CONTROL_ANSWER_S = 120,               /* a request nobody ended: the server ends it with status 3 */
};

struct event_base;
struct json_object;
struct mmr_control_server;

/*
 * A request. client is never used again for another client, so an answer that comes after it went is simply lost.
 * command is NUL-terminated, of a-z, 0-9, '.', '-' and '_', at most 63 bytes; args is an object (borrowed, with the
 * call). The handler may answer and end inside the call or later; it must not free the server.
 */
typedef void (*mmr_control_fn)(void *ctx, uint64_t client, const char *command, struct json_object *args);

struct mmr_control_limits { /* 0: the defaults above; for tests */
    int64_t idle_ms, answer_ms;
};

/*
 * mmr_control_server_new - listen at path (mode 0600). A socket left by a process that is gone is replaced.
 *
 * errors  MMR_EINVAL the path is longer than a unix socket's may be; MMR_EPERM something answers there already, or
 *         what is there is no socket; MMR_EIO, MMR_ENOMEM
 */
int mmr_control_server_new(struct event_base *base, const char *path, mmr_control_fn handler, void *ctx,
                           struct mmr_control_server **ret, struct mmr_error *err);
void mmr_control_server_limits(struct mmr_control_server *s, const struct mmr_control_limits *l);
/* Sends what still can be sent at once, closes all clients and removes the socket. Accepts NULL. */
void mmr_control_server_free(struct mmr_control_server *s);

/*
 * One line of an answer: JSON without a newline. errors MMR_ENOENT the client is gone or waits for nothing (stop
 * answering); MMR_EINVAL a newline in it; MMR_ETOOBIG a line or what waits is too long (the client is closed)
 */
int mmr_control_answer(struct mmr_control_server *s, uint64_t client, const char *json_line, size_t len);
/* A piece of a line that came in parts (MMR_TELL_ANSWER); mmr_control_answer() with the last one ends the line. */
int mmr_control_part(struct mmr_control_server *s, uint64_t client, const char *piece, size_t len);
/* {"error": text}; text is escaped here. */
int mmr_control_error(struct mmr_control_server *s, uint64_t client, const char *text);
void mmr_control_end(struct mmr_control_server *s, uint64_t client, int status);

#endif
