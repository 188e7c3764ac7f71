/*
 * mamori/error.h - return codes and the one-sentence error every mamori function fills.
 *
 * source  mamori's own; the numbers are part of the ABI and do not move
 */
#ifndef MAMORI_ERROR_H
#define MAMORI_ERROR_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { /* 0 or one of these; the words go to struct mmr_error */
    MMR_OK = 0,
    MMR_EINVAL = -1,       /* a call that breaks its contract */
    MMR_ENOMEM = -2,       /* no memory */
    MMR_ECONFIG = -3,      /* configuration is wrong */
    MMR_EUNSUPPORTED = -4, /* this machine, kernel or build cannot do it */
    MMR_EAGAIN = -5,       /* later: a queue is full, or the answer follows */
    MMR_EPERM = -6,        /* refused */
    MMR_EIO = -7,          /* the operating system or a peer failed */
    MMR_ETOOBIG = -8,      /* over a stated limit */
    MMR_EINTERNAL = -9,    /* our own mistake */
    MMR_EBADMSG = -10,     /* bytes from outside are malformed */
    MMR_ENOENT = -11,      /* the object is not there */
};

struct mmr_error { /* owned by the caller; filled only on failure */
    uint32_t struct_size;
    int32_t code;
    char text[248]; /* one sentence an operator can act on, UTF-8, no newline */
};

/*
 * mmr_fail - fill err (the caller's; may be NULL) and return code, so that `return mmr_fail(...)` ends a function. [any]
 *
 * code, fmt  MMR_E…, and a sentence that names the object, what was found, what was expected and what to do; cut to 247 bytes
 * errors     none of its own
 */
__attribute__((format(printf, 3, 4))) static inline int mmr_fail(struct mmr_error *err, int code,
                                                                 const char *fmt, ...)
{
    if (err) {
        va_list ap;
        err->code = code;
        va_start(ap, fmt);
        (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
    }
    return code;
}
#ifdef __clang_analyzer__ /* which does not look into functions with a variable list and would think that this may be 0 */
#define mmr_fail(err, code, ...) ((void)mmr_fail(err, code, __VA_ARGS__), (code))
#endif

#ifdef __cplusplus
}
#endif
#endif
