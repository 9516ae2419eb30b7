/* H.264 of pictures as they come, each a packet at once. Software: libx264, by libavcodec. */
#ifndef SCANOUT_HOST_ENCODER_H
#define SCANOUT_HOST_ENCODER_H

#include <libavcodec/avcodec.h>

#include "host/picture.h"

#define ENCODER_NAME "libx264"

struct encoder;

struct encoder_options {
	uint32_t width, height; // even
	unsigned fps;           // at most
	bool has_header;        // of the whole stream, for containers; else before each key frame
};

enum encoder_flags {
	ENCODER_KEY = 1,  // can be decoded without what came before
	ENCODER_FINE = 2, // better than a moving picture has to be
};

/* -ENOSYS: libavcodec was built without it. */
int encoder_create(struct encoder **ret, const struct encoder_options *options);
void encoder_destroy(struct encoder *encoder);
/* For the container's header. */
const AVCodecContext *encoder_context(const struct encoder *encoder);
/*
 * Encodes a picture of the encoder's size, which is not needed afterwards. `usec` is when it is
 * shown, later than the one before. ret_packet is the encoder's until the next call.
 */
int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t usec,
	unsigned flags, AVPacket **ret_packet);

#endif
