/*
 * mutator.h -- changes to programs that are made of operations of one size.
 *
 * An engine that knows bytes alone would mostly shift everything behind the place where it inserts
 * one, and turn the rest of the program into another. Here whole operations are inserted, removed,
 * repeated, moved and exchanged between programs, and single fields changed to values that tend to
 * matter; one time in eight the engine may do what it likes. libFuzzer finds the two functions by
 * their names; AFL++ makes do without them.
 */
#ifndef FUZZ_MUTATOR_H
#define FUZZ_MUTATOR_H

enum {
    OPERATION_BYTES = 8,
    MOST_OPERATIONS = 128 /* of a program; more are left out */
};

#endif
