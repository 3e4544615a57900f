/*
 * stream_core.h -- what stream.c and the native backends share: the C library of each system has
 * another function, or none, that opens a FILE whose bytes go to functions of the program.
 */
#ifndef HF_STREAM_CORE_H
#define HF_STREAM_CORE_H

#include <holdfast/status.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct hf_stream hf_stream;

/* Opens a FILE that calls the two functions below. HF_UNSUPPORTED: the system has none;
 * HF_NO_MEMORY: malloc failed. Each native backend defines it. */
hf_status hf_system_stream(hf_stream *stream, FILE **file);

/* Appends bytes to the text. False: the arena cannot grow, and the text is as it was. */
bool hf_stream_write(hf_stream *stream, const char *bytes, size_t size);

/* False: a write has failed. */
bool hf_stream_close(hf_stream *stream);

#endif
