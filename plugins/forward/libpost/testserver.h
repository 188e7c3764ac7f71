/* testserver.h - for the tests of forwarders: a real server of another maker beside the test, in a folder of its own. */
#ifndef MMR_FORWARD_TESTSERVER_H
#define MMR_FORWARD_TESTSERVER_H

#include "testhost.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MMR_TS_WAIT_MS = 60000, MMR_TS_SKIP = 77 };
struct testserver {
    pid_t pid;
    FILE *out;
    int port;
    char dir[64];
};

/*
 * python3 SCRIPT DIR ARGS…, which says "PORT n" once it listens, or "SKIP why". Ends the test (77) when it cannot be had.
 * It logs what it got into DIR/log, a JSON object a line.
 */
static inline void testserver_start(struct testserver *s, const char *script, const char *const *args)
{
    int fds[2];
    char path[512], line[256] = "";
    const char *argv[16] = {"python3", path, s->dir, NULL};
    (void)snprintf(path, sizeof path, "%s/plugins/forward/libpost/servers/%s", MMR_SOURCE_DIR, script);
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/mamori-forward-XXXXXX");
    if (!mkdtemp(s->dir) || pipe(fds) != 0)
        abort();
    for (int i = 0; args && args[i] && i < 11; i++) {
        argv[3 + i] = args[i];
        argv[4 + i] = NULL;
    }
    s->pid = fork();
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it never outlives the test */
        (void)dup2(fds[1], 1);
        (void)close(fds[0]);
        (void)execv("/usr/bin/python3", (char *const *)(void *)argv); /* the distribution's, which has the packages */
        (void)execvp("python3", (char *const *)(void *)argv);
        _exit(127);
    }
    (void)close(fds[1]);
    s->out = fdopen(fds[0], "r");
    if (!s->out || !fgets(line, sizeof line, s->out) || sscanf(line, "PORT %d", &s->port) != 1) {
        (void)fprintf(stderr, "skipped: %s", *line ? line : "python3 cannot be started\n");
        exit(MMR_TS_SKIP);
    }
}

static inline void testserver_stop(struct testserver *s)
{
    char command[128];
    (void)kill(s->pid, SIGTERM);
    (void)waitpid(s->pid, NULL, 0);
    (void)fclose(s->out);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    if (system(command) != 0)
        abort();
}

static inline const char *testserver_path(const struct testserver *s, const char *name)
{
    static char path[8][128];
    static unsigned n;
    char *p = path[n++ % 8];
    (void)snprintf(p, sizeof path[0], "%s/%s", s->dir, name);
    return p;
}

/* The log so far; "" when there is none. Waits until it has that many lines. */
static inline const char *testserver_log(const struct testserver *s, int lines)
{
    static char text[512 * 1024];
    for (int k = 0; k < MMR_TS_WAIT_MS / 20; k++) {
        FILE *f = fopen(testserver_path(s, "log"), "re");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        int have = 0;
        if (f)
            (void)fclose(f);
        text[n] = '\0';
        for (size_t i = 0; i < n; i++)
            have += text[i] == '\n';
        if (have >= lines)
            return text;
        (void)usleep(20000);
    }
    return text;
}

/* Serve the host until so many deliveries were said. */
static inline bool testserver_wait(struct mmr_testhost *th, size_t deliveries)
{
    struct timespec a, b;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    do {
        if (mmr_testhost_deliveries(th) >= deliveries)
            return true;
        (void)mmr_testhost_poll(th, 50);
        (void)clock_gettime(CLOCK_MONOTONIC, &b);
    } while ((b.tv_sec - a.tv_sec) * 1000 < MMR_TS_WAIT_MS);
    return mmr_testhost_deliveries(th) >= deliveries;
}

static inline void testserver_write(const char *path, const char *text, unsigned mode)
{
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) != 0)
        abort();
}

#endif
