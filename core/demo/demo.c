/*
 * demo.c - two processes: one plays, the other waits for it and clears the lab away, so that whichever is killed,
 * nothing stays.
 */
#include "demo/demo.h"

#include "demo/acts.h"
#include "util/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t is_stopping;

static void on_stop(int sig)
{
    (void)sig;
    is_stopping = 1;
}

bool mmr_demo_is_stopping(void)
{
    return is_stopping != 0;
}

static void watch_signals(void)
{
    static const int sigs[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction a = {.sa_handler = on_stop};
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        (void)sigaction(sigs[i], &a, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

static int play(struct mmr_lab *lab, const struct mmr_demo_opts *o, pid_t parent)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_tell tell;
    int64_t begun = mmr_clock_mono_ns();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (getppid() != parent)
        return 3;
    int r = mmr_lab_open(o->keep, lab, &err);
    if (r) {
        (void)fprintf(stderr, "mamori demo: %s\n", err.text);
        mmr_lab_close(lab);
        return r == MMR_EPERM || r == MMR_EUNSUPPORTED ? MMR_DEMO_SKIPPED : r == MMR_EINVAL ? 2 : 3;
    }
    mmr_tell_init(&tell, o->lang, o->is_json);
    mmr_tell_head(&tell, lab->is_mirrored);
    r = mmr_acts_play(lab, &tell, o, &err);
    unsigned wrong = tell.wrong;
    mmr_lab_close(lab);
    if (is_stopping)
        (void)fprintf(stderr, "mamori demo: stopped; nothing is left behind\n");
    else if (r)
        (void)fprintf(stderr, "mamori demo: %s\n", err.text);
    else
        mmr_tell_done(&tell, (mmr_clock_mono_ns() - begun) / MMR_NS_PER_MS);
    return is_stopping ? 130 : r == MMR_EUNSUPPORTED ? MMR_DEMO_SKIPPED : r ? 3 : wrong ? 1 : 0;
}

int mmr_demo(const struct mmr_demo_opts *o)
{
    /* shared: what the player made, for the one that clears away after it */
    struct mmr_lab *lab = mmap(NULL, sizeof *lab, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t parent = getpid(), pid = lab == MAP_FAILED ? -1 : (watch_signals(), fork());
    if (pid < 0) {
        (void)fprintf(stderr, "mamori demo: %s\n", strerror(errno));
        return 3;
    }
    if (pid == 0)
        _exit(play(lab, o, parent));
    while (waitpid(pid, &status, 0) != pid) {
        if (errno != EINTR)
            break;
        if (is_stopping)
            (void)kill(pid, SIGTERM);
    }
    if (WIFEXITED(status)) {
        (void)munmap(lab, sizeof *lab);
        return WEXITSTATUS(status);
    }
    memset(lab->child, 0, sizeof lab->child); /* not ours to wait for */
    for (size_t i = 0; i < lab->n; i++)
        lab->machine[i].net = lab->machine[i].mnt = lab->machine[i].uts = -1; /* numbers of the other process */
    mmr_lab_close(lab);
    (void)munmap(lab, sizeof *lab);
    (void)fprintf(stderr, "mamori demo: ended by signal %d; nothing is left behind\n", WTERMSIG(status));
    return 3;
}
