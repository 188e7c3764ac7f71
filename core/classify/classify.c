/* classify.c - the decision table: one line of code for one row of the standard. */
#include "classify/classify.h"

static struct mmr_verdict verdict(int row, enum mmr_class c, enum mmr_band b, const char *why)
{
    return (struct mmr_verdict){.class_now = c, .band = b, .row = row, .why = why};
}

static struct mmr_verdict undefended(int row, const struct mmr_facts_in *in, const char *high,
                                     const char *important, const char *normal)
{
    if (in->potential == MMR_POTENTIAL_HIGH)
        return verdict(row, MMR_CLASS_OF_SEVERE, MMR_BAND_RED, high);
    if (in->is_important)
        return verdict(row, MMR_CLASS_OF_SEVERE, MMR_BAND_RED, important);
    return verdict(row, MMR_CLASS_OF_SEVERE, MMR_BAND_YELLOW, normal);
}

struct mmr_verdict mmr_classify(const struct mmr_facts_in *in)
{
    const bool no_harm = in->harm == 'n';
    const enum mmr_defence d = in->defence;
    if (in->harm == 'y')
        return verdict(1, MMR_CLASS_OF_SEVERE, MMR_BAND_RED, "harm is shown by evidence");
    if (in->is_benign && no_harm)
        return verdict(2, MMR_CLASS_OF_NO_RESPONSE, MMR_BAND_NONE, "proved benign, and no harm");
    if (in->potential == MMR_POTENTIAL_INFO && no_harm)
        return verdict(3, MMR_CLASS_OF_NO_RESPONSE, MMR_BAND_NONE,
                       "informational only, and no harm");
    if (in->is_recurring)
        return verdict(4, MMR_CLASS_OF_SEVERE, MMR_BAND_RED, "it came back after containment");
    if (d == MMR_D_LAPSED)
        return verdict(5, MMR_CLASS_OF_SEVERE, MMR_BAND_RED,
                       "the defence lapsed before the threat was shown over");
    if (d == MMR_D_FAILED)
        return verdict(6, MMR_CLASS_OF_SEVERE, MMR_BAND_RED, "the defence failed");
    if (d == MMR_D_PARTIAL)
        return verdict(7, MMR_CLASS_OF_SEVERE, MMR_BAND_RED,
                       "only a part of the threat is covered by a proved defence");
    if (d == MMR_D_NONE)
        return undefended(8, in, "no defence, and the potential is high",
                          "no defence, on an important asset",
                          "no defence, low potential, normal asset");
    if (d == MMR_D_IN_PROGRESS || d == MMR_D_UNVERIFIED) {
        if (in->age_ns < MMR_POLICY_V_NS)
            return verdict(9, MMR_CLASS_OF_PENDING, MMR_BAND_NONE,
                           "the defence is not proved yet; waiting at most 10 minutes");
        return undefended(10, in,
                          "no proof of the defence within 10 minutes, and the potential is high",
                          "no proof of the defence within 10 minutes, on an important asset",
                          "no proof of the defence within 10 minutes, low potential, normal asset");
    }
    if (!no_harm)
        return verdict(11, MMR_CLASS_OF_SEVERE, MMR_BAND_YELLOW,
                       "the defence is proved, but harm cannot be ruled out");
    if (in->has_user_action)
        return verdict(11, MMR_CLASS_OF_SEVERE, MMR_BAND_YELLOW,
                       "the defence is proved, but the user must still act");
    return verdict(12, MMR_CLASS_OF_DEFENDED, MMR_BAND_NONE,
                   "the defence is proved, no harm, nothing left to do");
}
