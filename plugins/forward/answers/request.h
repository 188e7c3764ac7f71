/* request.h - one HTTP/1 request of the two kinds this listener knows. Bytes from outside; trust none. */
#ifndef MMR_ANSWERS_REQUEST_H
#define MMR_ANSWERS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

enum { MMR_REQUEST_MAX = 8192, MMR_REQUEST_BODY_MAX = 4096, MMR_REQUEST_TOKEN = 32 };
enum mmr_request_what {
    MMR_REQUEST_MORE = 0, /* not whole yet */
    MMR_REQUEST_BAD,      /* no request, or larger than the limits */
    MMR_REQUEST_OTHER,    /* a request for what is not here */
    MMR_REQUEST_SHOW,     /* GET /c/TOKEN: a page with a button; says nothing to anybody (mail programs fetch links ahead) */
    MMR_REQUEST_CONFIRM,  /* POST /c/TOKEN: a person pressed it */
    MMR_REQUEST_REPORT,   /* POST /d/TOKEN: a gateway says what became of a message */
};
struct mmr_answer_request {
    enum mmr_request_what what;
    char token[MMR_REQUEST_TOKEN + 1];
    int level; /* of a report: enum mmr_delivery; TRIED: a status nobody knows */
};
/* bytes are all that came so far. */
struct mmr_answer_request mmr_answer_read(const char *bytes, size_t len);
/* "delivered", "shown", "confirmed", "failed" … as level; TRIED for another word. */
int mmr_answer_level(const char *word);

#endif
