/* patterns.h - the table of log lines that tell of a failed log-in or of abuse. Data only. */
#ifndef MMR_AUTHFAIL_PATTERNS_H
#define MMR_AUTHFAIL_PATTERNS_H

#include <stddef.h>

enum mmr_auth_class {
    MMR_AUTH_FAIL = 1, /* a password, key or permission was refused: counts as guessing */
    MMR_AUTH_PROBE,    /* scanning or protocol abuse: told, not counted as guessing */
    /* sshd, with what sessions.h remembers of the connection */
    MMR_AUTH_END,          /* a PROBE that is the last word of its connection */
    MMR_AUTH_LEARN,        /* no failure; says who the client is */
    MMR_AUTH_PENDING,      /* PAM refused a password: what follows says whether that counts */
    MMR_AUTH_RECALL_FAIL,  /* a FAIL or PROBE that names no client: the one of the connection, or nothing */
    MMR_AUTH_RECALL_PROBE,
};
struct mmr_auth_pattern {
    const char *service; /* the rule is mamori.authfail.<service> */
    const char *apps;    /* programs as in the log head, space separated, '*' at the end: any rest; "-": no head */
    const char *need;    /* text every such line has; looked for before the expression is tried. "": none */
    int klass;           /* enum mmr_auth_class */
    const char *regex;   /* PCRE2, on the text behind the head, anchored at its start; groups host and user */
};

const struct mmr_auth_pattern *mmr_auth_patterns(size_t *ret_n);

#endif
