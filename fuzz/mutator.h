/*
 * mutator.h -- mutations of programs that consist of operations of one size.
 *
 * A fuzzing engine that only knows bytes shifts everything after the point where it inserts one,
 * and so makes another program of the rest. Here whole operations are inserted, removed, copied,
 * swapped and exchanged between programs, and single fields changed to values that often matter.
 * One time in eight the engine mutates the bytes itself. libFuzzer finds the two functions by their
 * names; AFL++ works without them.
 */
#ifndef FUZZ_MUTATOR_H
#define FUZZ_MUTATOR_H

enum {
    OPERATION_BYTES = 8,
    MOST_OPERATIONS = 128 /* of a program; the rest is ignored */
};

#endif
