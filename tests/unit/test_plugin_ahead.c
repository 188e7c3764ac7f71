/* test_plugin_ahead.c - a host that does not stand in line: before all ordinary programs, but not for as long as it likes. */
#include "plugin/ahead.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { REFUSED = 77 };

static int policy(void)
{
    return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

/* Uses a processor without ever waiting, until it is ordinary or a minute is over. */
static bool becomes_ordinary(void)
{
    for (time_t end = time(NULL) + 60; time(NULL) < end;)
        if (policy() == SCHED_OTHER)
            return true;
    return false;
}

/* Answers the number of the line that was wrong, 0: none was. */
static int one_life(void)
{
    int status = 0;
    mmr_ahead_start();
    if (policy() != SCHED_RR)
        return REFUSED;
    mmr_ahead_again(); /* nothing to be had again */
    if (policy() != SCHED_RR)
        return 1;
    pid_t child = fork();
    if (child == 0)
        _exit(policy() == SCHED_OTHER ? 0 : 1);
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        return 2;
    if (!becomes_ordinary())
        return 3;
    if (getpriority(PRIO_PROCESS, 0) >= 0)
        return 4;
    mmr_ahead_again();
    if (policy() != SCHED_RR)
        return 5;
    if (!becomes_ordinary())
        return 6;
    mmr_ahead_again();
    mmr_ahead_end();
    mmr_ahead_again();
    return policy() == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0 ? 0 : 7;
}

static void it_runs_first_until_its_budget_is_used(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(one_life());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == REFUSED) {
        print_message("real-time priority is refused here\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void who_never_had_it_is_not_raised(void **state)
{
    (void)state;
    mmr_ahead_again();
    assert_int_equal(policy(), SCHED_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_runs_first_until_its_budget_is_used), cmocka_unit_test(who_never_had_it_is_not_raised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
