/* measure.h - the role `mamori measure`, started by the supervisor where metrics.listen is set: HTTP in, measurements out. */
#ifndef MMR_CONTROL_MEASURE_H
#define MMR_CONTROL_MEASURE_H

int mmr_measure_main(void); /* the exit status */

#endif
