/* link: mmr_model */
/* A stored incident: whatever is read must be within its ceilings and pack to the same again. */
#include "model/incident.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmr_incident *a, *b;
    uint8_t *p, *q;
    size_t n, m;
    if (mmr_incident_unpack(data, size, &a, NULL) < 0)
        return 0;
    if (mmr_incident_pack(a, &p, &n, NULL) < 0 || mmr_incident_unpack(p, n, &b, NULL) < 0 ||
        mmr_incident_pack(b, &q, &m, NULL) < 0)
        abort();
    if (n != m || memcmp(p, q, n) != 0)
        abort();
    free(p);
    free(q);
    mmr_incident_free(a);
    mmr_incident_free(b);
    return 0;
}
