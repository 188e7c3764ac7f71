/* link: mmr_model */
/* An event on its way to a finding, and the finding on its way upstream. */
#include "model/incident.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mmr_event_view v;
    struct mmr_finding *f, *c;
    struct mmr_receipt r;
    char *json;
    (void)mmr_receipt_decode(data, size, &r, NULL);
    if (mmr_event_read(data, size, &v, NULL) < 0 || mmr_finding_from_event(&v, &f, NULL) < 0)
        return 0;
    c = mmr_finding_copy(f);
    free(f);
    if (c && mmr_finding_to_json(c, &json, NULL) == 0)
        free(json);
    free(c);
    return 0;
}
