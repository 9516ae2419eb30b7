/* The least a KMS client needs to show two buffers on one output. */
#ifndef GUEST_KMS_H
#define GUEST_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xf86drmMode.h>

#define KMS_CURSOR_SIZE 64

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
	bool atomic;              // commits in place of the legacy calls: kms_atomic.h
	bool hotspot;             // the cursor's is told to the kernel
	uint32_t fb_property;     // of the primary plane, when atomic
	struct kms_buffer cursor; // only when atomic
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

/* The id of an object's property, 0 if it has none of that name. */
uint32_t kms_property(int fd, uint32_t object, uint32_t type, const char *name);

/* Frees the buffers. The CRTC goes dark with them, if it still showed one. */
void kms_finish(struct kms *kms);

/*
 * Chooses the mode: the one of width x height if they are not 0 (-ENOENT when the output has none),
 * else the preferred one, else the largest within 1920x1080.
 */
int kms_pick_mode(struct kms *kms, uint32_t width, uint32_t height);

/* Allocates and maps both buffers in the size of the mode, and the cursor's when atomic. */
int kms_create_buffers(struct kms *kms);

/* Fills one buffer with a colour, 0xRRGGBB. */
void kms_fill(struct kms *kms, unsigned int buffer, uint32_t colour);

/* Mode-sets the CRTC to the picked mode, showing that buffer. */
int kms_set_crtc(struct kms *kms, unsigned int buffer);

/* Queues the buffer to be shown; kms_wait_flip() tells when it is. */
int kms_flip(struct kms *kms, unsigned int buffer);

/* Waits for the queued flip, however long it takes: who waits for the program sees that it stands
 * still. */
int kms_wait_flip(struct kms *kms);

/* Flips to the other buffer and waits for it. */
int kms_flip_next(struct kms *kms);

/* DRM_PLANE_TYPE_* of a plane, or a negative errno. */
int kms_plane_type(int fd, uint32_t plane_id);

/* Refresh rate of the mode in mHz, as the contract counts it. */
uint32_t kms_refresh_mhz(const struct kms *kms);

#endif
