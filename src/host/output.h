/* A stream of packets as a file: MP4, or H.264 alone (Annex B). */
#ifndef SCANOUT_HOST_OUTPUT_H
#define SCANOUT_HOST_OUTPUT_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>

struct output;

struct output_format {
	const char *name;  // as users name it, and as files end
	const char *muxer; // libavformat's name
	bool has_header;   // see encoder_options
};

/* NULL if there is none of this name. */
const struct output_format *output_find_format(const char *name);
/* By what a path ends in. */
const struct output_format *output_guess_format(const char *path);

/*
 * Begins a stream on an fd, which stays the caller's and need not be seekable. What fails later
 * gives the errno of the write. MP4 is written in fragments, so that a file which breaks off can be
 * played up to there.
 */
int output_create(struct output **ret, const struct output_format *format, int fd,
	const AVCodecContext *encoder);
/* Takes what the packet refers to. */
int output_write(struct output *output, AVPacket *packet);
/* The end of the file. */
int output_finish(struct output *output);
uint64_t output_bytes(const struct output *output);
void output_destroy(struct output *output);

#endif
