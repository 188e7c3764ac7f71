/*
 * demo.h - `mamori demo`: a small office made of namespaces, real attacks between its machines, real sensors and
 * responders, and a check of every conclusion. Leaves nothing behind.
 */
#ifndef MMR_DEMO_DEMO_H
#define MMR_DEMO_DEMO_H

#include <stdbool.h>

#define MMR_DEMO_GATEWAY "192.168.77.1"
#define MMR_DEMO_ATTACKER "198.51.100.23" /* exploits */
#define MMR_DEMO_C2 "203.0.113.80"        /* serves the second stage, listens for it */
#define MMR_DEMO_GUESSER "203.0.113.50"   /* guesses passwords */

struct mmr_demo_opts {
    const char *acts;  /* letters of a, b, c; NULL: all */
    const char *lang;  /* "ja", "en"; NULL: by locale */
    const char *keep;  /* folder for state and logs; NULL: nothing stays */
    bool is_json, is_chaos;
};
/* The exit status of the command: 0 every conclusion is right, 1 one is wrong, 2 the call is wrong, 3 it cannot be
 * done here, MMR_DEMO_SKIPPED: not root, or this machine lacks what is needed. */
enum { MMR_DEMO_SKIPPED = 77 };
int mmr_demo(const struct mmr_demo_opts *o);

bool mmr_demo_is_stopping(void); /* Ctrl-C was pressed */

#endif
