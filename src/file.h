/*
 * file.h -- what a space needs of a file, beyond the public holdfast/file.h.
 */
#ifndef HF_FILE_H
#define HF_FILE_H

#include <holdfast/file.h>

/* One user more: every view holds its file. hf_file_close is one less. */
void hf_file_hold(hf_file *file);

intptr_t hf_file_handle(const hf_file *file);
bool hf_file_is_on(const hf_file *file, const hf_backend *backend);
bool hf_file_permits(const hf_file *file, hf_access access);

#endif
