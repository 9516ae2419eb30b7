/*
 * Encodes what a screen shows, in a thread of its own, as it changes: of a still picture nothing,
 * but for a few times better quality after it came to rest.
 */
#ifndef SCANOUT_HOST_RECORDER_H
#define SCANOUT_HOST_RECORDER_H

#include "host/output.h"
#include "host/screen.h"

struct recorder;

struct recorder_options {
	struct screen *screen; // borrowed
	const struct output_format *format;
	int fd;                 // borrowed
	unsigned fps;           // pictures a second, at most
	uint32_t width, height; // of the video; 0: of the first picture
};

struct recorder_result {
	int error;      // negative errno; 0 if all went well
	bool is_output; // the error is of the file, not of the encoder
	uint64_t n_frames;
	uint64_t usec; // from the first picture to the end
	uint64_t n_bytes;
	/* From a picture's coming until it was written, encoded: what half of them took at most,
	 * and 99 of 100. */
	uint32_t age_p50_usec, age_p99_usec;
};

int recorder_start(struct recorder **ret, const struct recorder_options *options);
/* Readable when it has ended by itself, with an error. */
int recorder_fd(const struct recorder *recorder);
/* Completes the file and ends the thread; waits for both. */
void recorder_stop(struct recorder *recorder, struct recorder_result *ret);

#endif
