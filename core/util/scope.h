/* scope.h - resources bound to their scope: mmr_autofree, mmr_autoclose. */
#ifndef MMR_UTIL_SCOPE_H
#define MMR_UTIL_SCOPE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void mmr_freep(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p); /* pp is a T ** of any T */
    free(p);
}
static inline void mmr_closep(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
#define mmr_autofree __attribute__((cleanup(mmr_freep)))
#define mmr_autoclose __attribute__((cleanup(mmr_closep)))

#endif
