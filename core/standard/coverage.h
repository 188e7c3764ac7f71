/* coverage.h - SR-06 (every exit and segment seen), SR-07 and SR-08 (agents on important endpoints). */
#ifndef MMR_STANDARD_COVERAGE_H
#define MMR_STANDARD_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_asset_class { MMR_ASSET_OTHER = 0, MMR_ASSET_PC, MMR_ASSET_SERVER, MMR_ASSET_NAS, MMR_ASSET_NETWORK,
                       MMR_ASSET_OFFICE_DEVICE, MMR_ASSET_MOBILE, MMR_ASSET_COUNT };
const char *mmr_asset_class_name(enum mmr_asset_class c);
enum mmr_important { MMR_IMPORTANT_UNKNOWN = 0, MMR_IMPORTANT_NO, MMR_IMPORTANT_YES }; /* unknown counts as yes */

struct mmr_asset { /* texts borrowed */
    const char *name;
    enum mmr_asset_class kind;
    enum mmr_important important;
    bool has_agent, is_agent_healthy;
    bool is_announced_off; /* a PC that said it switches off is not a gap */
    int64_t first_seen_ns, flow_seen_ns; /* in DHCP/ARP/inventory; last seen in flows (0 never) */
};
struct mmr_way_out { /* a way out of the office */
    const char *name;
    bool has_sensor, is_sensor_healthy;
    bool sees_in, sees_out;
    uint64_t sensor_bytes, gateway_bytes;   /* 0 gateway_bytes: not measured */
    uint64_t captured, dropped;             /* packets */
};
enum mmr_gap_kind { MMR_GAP_NONE = 0, MMR_GAP_EXIT_NO_SENSOR, MMR_GAP_SENSOR_DOWN, MMR_GAP_ONE_WAY, MMR_GAP_BYTES,
                    MMR_GAP_DROPS, MMR_GAP_HOST_UNSEEN, MMR_GAP_NO_AGENT, MMR_GAP_AGENT_DOWN, MMR_GAP_NOTHING_KNOWN };
struct mmr_gap { enum mmr_gap_kind kind; const char *name; char text[160]; };

enum { MMR_GAPS_MAX = 64 };
struct mmr_coverage {
    bool is_ok;
    uint32_t have, want;    /* exits with a working sensor / exits; important healthy / important */
    uint32_t n_gaps, more;  /* more: gaps beyond the ceiling */
    struct mmr_gap gap[MMR_GAPS_MAX];
};
void mmr_coverage_net(const struct mmr_way_out *e, size_t n_exit, const struct mmr_asset *a, size_t n_asset,
                      int64_t now_ns, struct mmr_coverage *ret);
void mmr_coverage_ep(const struct mmr_asset *a, size_t n, struct mmr_coverage *ret);

#endif
