/*
 * box2d_heap.cc -- the source of the program that has the adapter's definitions; box2d.cc includes
 * the adapter, too.
 */
#define HF_BOX2D_IMPLEMENTATION
#include <holdfast/adapt/box2d.hpp>
