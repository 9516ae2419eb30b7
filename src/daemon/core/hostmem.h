/*
 * The host's memory for pictures. When that is used up (max_hostmem of QEMU's virtio-gpu), heads
 * stay black and no call fails: the kernel's log alone tells.
 */
#ifndef SCANOUTD_HOSTMEM_H
#define SCANOUTD_HOSTMEM_H

struct hostmem;
struct manager;

#define HOSTMEM_WARNING                                                                            \
	"Heads may stay black: the host has no memory left for their pictures (virtio_gpu in the " \
	"kernel's log: response 0x1201 or 0x1203). Give the device more on the host, such as "     \
	"max_hostmem=1G; 'scanoutctl doctor' tells how much"

/* Watches the kernel's log, and warns once. Without access to it nothing is told: NULL. */
struct hostmem *hostmem_watch(struct manager *manager);
/* NULL is fine. */
void hostmem_destroy(struct hostmem *hostmem);

#endif
