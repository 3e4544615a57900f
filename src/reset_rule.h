/*
 * reset_rule.h -- when a reset gives memory back to the system, of an arena or of a heap.
 *
 * A frame is what happens between two resets. Memory that frames do without goes back when they
 * have used 64 times as many bytes: then the cost of faulting it in again is small beside that
 * work. docs/reset.md has the proof of what it costs.
 */
#ifndef HF_RESET_RULE_H
#define HF_RESET_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "numbers.h"

#define HF_WORK_FOR_A_BYTE 64     /* bytes that frames use before a byte is released */
#define HF_WORK_OF_A_FRAME 64     /* bytes: what a frame costs that uses none */
#define HF_LEAST_EXCESS HF_MIB(1) /* releasing less costs as much: system calls */

typedef struct hf_reset_rule {
    uint64_t work; /* bytes used by the frames since memory was last released or needed */
    size_t needed; /* most bytes that one of these frames used */
} hf_reset_rule;

/* Counts the frame that ends. One that used half of what is committed shows that it is needed. */
static inline void hf_reset_rule_count(hf_reset_rule *rule, size_t peak, size_t committed) {
    if (peak >= committed / 2) {
        *rule = (hf_reset_rule){0};
    } else {
        rule->work += peak + HF_WORK_OF_A_FRAME;
        rule->needed = hf_larger(rule->needed, peak);
    }
}

/* True if the frames have used 64 times what none of them needed. */
static inline bool hf_reset_rule_has_paid(const hf_reset_rule *rule, size_t committed) {
    size_t excess = committed - hf_smaller(rule->needed, committed);
    return rule->work / HF_WORK_FOR_A_BYTE >= hf_larger(excess, HF_LEAST_EXCESS);
}

#endif
