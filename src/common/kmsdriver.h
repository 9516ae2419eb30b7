/* Finds the kernel driver of a KMS card by sysfs. Opening the card for that could keep another
 * process from becoming its master. */
#ifndef SCANOUT_KMSDRIVER_H
#define SCANOUT_KMSDRIVER_H

#include <stddef.h>

#define KMSDRIVER_VIRTIO "virtio_gpu"

/* The driver of "card0". 0, -ENOENT if it is unknown, or another negative errno. */
int kmsdriver_read(const char *card, char *ret, size_t size);

#endif
