/* The least a KMS client needs to show two buffers on one output, legacy calls only. */
#ifndef GUEST_KMS_H
#define GUEST_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xf86drmMode.h>

struct kms_buffer {
	uint32_t handle;
	uint32_t fb_id;
	uint32_t stride;
	size_t size;
	uint32_t *pixels; // NULL without a buffer
};

struct kms {
	int fd; // borrowed: a lease, or the card as its master
	uint32_t connector_id;
	uint32_t crtc_id;
	uint32_t primary_id;
	uint32_t cursor_id;      // 0 when there is none
	char connector_name[32]; // 'Virtual-3'
	uint32_t index;          // the host's head, counted from 0
	drmModeModeInfo mode;
	struct kms_buffer buffers[2];
	bool flip_pending;
	uint64_t flips;        // completed
	uint64_t flipped_usec; // when the last one was, by the kernel's monotonic clock
};

/*
 * kms_init() - find the output that can be driven through fd
 * @kms: filled on success; finish with kms_finish()
 * @fd: a lease, or a card's master fd; stays the caller's
 * @connector: name of the connector to take, or NULL for the first one that has a CRTC
 *
 * Return: 0; -ENODEV when fd shows no connector, CRTC and primary plane that belong together.
 */
int kms_init(struct kms *kms, int fd, const char *connector);

/* Frees the buffers. The CRTC goes dark with them, if it still showed one. */
void kms_finish(struct kms *kms);

/*
 * Chooses the mode: the one of width x height if they are not 0 (-ENOENT when the output has none),
 * else the preferred one, else the largest within 1920x1080.
 */
int kms_pick_mode(struct kms *kms, uint32_t width, uint32_t height);

/* Allocates and maps both buffers in the size of the mode. */
int kms_create_buffers(struct kms *kms);

/* Fills one buffer with a colour, 0xRRGGBB. */
void kms_fill(struct kms *kms, unsigned int buffer, uint32_t colour);

/* Mode-sets the CRTC to the picked mode, showing that buffer. */
int kms_set_crtc(struct kms *kms, unsigned int buffer);

/* Queues the buffer to be shown; kms_wait_flip() tells when it is. */
int kms_flip(struct kms *kms, unsigned int buffer);

/*
 * Waits for the queued flip. wake_fd, or -1, ends the wait early by being readable.
 *
 * Return: 0; -ETIMEDOUT after timeout_msec; -ECANCELED by wake_fd.
 */
int kms_wait_flip(struct kms *kms, int wake_fd, int timeout_msec);

/* Flips to the other buffer and waits for it as kms_wait_flip() does. */
int kms_flip_next(struct kms *kms, int wake_fd);

/* DRM_PLANE_TYPE_* of a plane, or a negative errno. */
int kms_plane_type(int fd, uint32_t plane_id);

/* Refresh rate of the mode in mHz, as the contract counts it. */
uint32_t kms_refresh_mhz(const struct kms *kms);

#endif
