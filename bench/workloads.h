/*
 * bench/workloads.h -- the workloads. Each is a file that registers benchmarks named
 * `workload/contender` or `workload/contender/size`.
 */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

void register_warm(void);
void register_warm_registers(void);
void register_frame(void);
void register_spike(void);
void register_fresh(void);
void register_array(void);
void register_file(void);
void register_open(void);
void register_small(void);
void register_ring(void);
void register_space(void);

#endif
