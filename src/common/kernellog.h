/*
 * Reads what the kernel's log says about the host of a virtio-gpu. When the host refuses a command,
 * no call fails: the kernel only logs it (virtio_gpu_dequeue_ctrl_func() in Linux).
 */
#ifndef SCANOUT_KERNELLOG_H
#define SCANOUT_KERNELLOG_H

/* Opens the log for new records; to read all records, rewind it with lseek(). */
int kernellog_open(void);

/* The host's replies when it has no memory for a framebuffer: the first to the command that makes
 * one, the second to commands that use what was not made. */
struct kernellog_refusals {
	unsigned no_memory;   // response 0x1201
	unsigned no_resource; // response 0x1203
};

/* Counts the refusals in the next record. 1, 0 if there is no record now, or negative errno. */
int kernellog_read(int fd, struct kernellog_refusals *refusals);

#endif
