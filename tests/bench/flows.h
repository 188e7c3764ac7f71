/* flows.h - what flows cost: from 1,000 to 1,000,000 at once in the table, and with the state of parsers and rules. Prints JSON lines. */
#ifndef MMR_BENCH_FLOWS_H
#define MMR_BENCH_FLOWS_H

void bench_flows(void);

#endif
