/* fuzz_file.h - bytes as a file without a disk, for targets that read paths */
#ifndef FUZZ_FILE_H
#define FUZZ_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* "KIND:/proc/self/fd/N" of a memory file with these bytes; close the descriptor after use. */
static inline int fuzz_file(const uint8_t *data, size_t size, const char *kind, char *name, size_t name_size)
{
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(name, name_size, "%s:/proc/self/fd/%d", kind, file);
    return file;
}

#endif
