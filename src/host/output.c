#include "host/output.h"

#include <errno.h>
#include <libavformat/avformat.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"

#define BUFFER_SIZE (64 * 1024)
#define FRAGMENT_USEC "1000000"
#define CLOCK 90000 // ticks a second in the file

static const struct output_format formats[] = {
	{"mp4", "mp4", true},
	{"h264", "h264", false},
};

struct output {
	int fd;    // borrowed
	int error; // of the first write that failed; it stays
	uint64_t n_bytes;
	AVFormatContext *context;
	AVIOContext *io;
};

const struct output_format *output_find_format(const char *name) {
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i].name, name) == 0) {
			return &formats[i];
		}
	}
	return NULL;
}

const struct output_format *output_guess_format(const char *path) {
	const char *dot = strrchr(path, '.');
	return dot ? output_find_format(dot + 1) : NULL;
}

#if LIBAVFORMAT_VERSION_MAJOR < 61
typedef uint8_t written;
#else
typedef const uint8_t written;
#endif

static int write_bytes(void *data, written *bytes, int size) {
	struct output *output = data;
	if (output->error == 0) {
		output->error = file_write(output->fd, bytes, (size_t)size);
		output->n_bytes += output->error == 0 ? (uint64_t)size : 0;
	}
	return output->error < 0 ? output->error : size;
}

static int add_stream(struct output *output, const AVCodecContext *encoder) {
	AVStream *stream = avformat_new_stream(output->context, NULL);
	if (!stream) {
		return -ENOMEM;
	}
	stream->time_base = (AVRational){1, CLOCK};
	return avcodec_parameters_from_context(stream->codecpar, encoder);
}

static int begin(struct output *output) {
	AVDictionary *options = NULL;
	av_dict_set(&options, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0);
	av_dict_set(&options, "frag_duration", FRAGMENT_USEC, 0);
	int r = avformat_write_header(output->context, &options);
	av_dict_free(&options);
	return r;
}

/* What libavformat returns may be another error than the write's, or none. */
static int check(const struct output *output, int r) {
	return output->error < 0 ? output->error : r;
}

static int open_io(struct output *output) {
	uint8_t *buffer = av_malloc(BUFFER_SIZE);
	output->io =
		buffer ? avio_alloc_context(buffer, BUFFER_SIZE, 1, output, NULL, write_bytes, NULL)
		       : NULL;
	if (!output->io) {
		av_free(buffer);
		return -ENOMEM;
	}
	output->context->pb = output->io;
	output->context->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS;
	return 0;
}

int output_create(struct output **ret, const struct output_format *format, int fd,
	const AVCodecContext *encoder) {
	struct output *output = calloc(1, sizeof(*output));
	if (!output) {
		return -ENOMEM;
	}
	output->fd = fd;
	int r = avformat_alloc_output_context2(&output->context, NULL, format->muxer, NULL);
	if (r >= 0) {
		r = open_io(output);
	}
	if (r >= 0) {
		r = add_stream(output, encoder);
	}
	if (r >= 0) {
		r = check(output, begin(output));
	}
	if (r < 0) {
		output_destroy(output);
		return r;
	}
	*ret = output;
	return 0;
}

int output_write(struct output *output, AVPacket *packet) {
	const AVStream *stream = output->context->streams[0];
	av_packet_rescale_ts(packet, (AVRational){1, 1000000}, stream->time_base);
	packet->stream_index = 0;
	return check(output, av_write_frame(output->context, packet));
}

int output_finish(struct output *output) {
	int r = av_write_trailer(output->context);
	avio_flush(output->io);
	return check(output, r);
}

uint64_t output_bytes(const struct output *output) {
	return output->n_bytes;
}

void output_destroy(struct output *output) {
	if (output) {
		avformat_free_context(output->context);
		if (output->io) {
			av_freep(&output->io->buffer);
			avio_context_free(&output->io);
		}
		free(output);
	}
}
