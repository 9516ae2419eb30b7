#include "host/png.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libyuv.h>
#include <string.h>

#include "common/cleanup.h"

static void cleanup_context(AVCodecContext **context) {
	avcodec_free_context(context);
}

static void cleanup_frame(AVFrame **frame) {
	av_frame_free(frame);
}

static void cleanup_packet(AVPacket **packet) {
	av_packet_free(packet);
}

static int read_pixels(const struct frame *frame, AVFrame *picture) {
	map_begin(frame->map);
	ARGBToRAW(frame_row(frame, 0), (int)frame->stride, picture->data[0], picture->linesize[0],
		(int)frame->width, (int)frame->height);
	return map_end(frame->map);
}

static int open_encoder(const struct frame *frame, AVCodecContext **ret) {
	const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
	CLEANUP(cleanup_context) AVCodecContext *context = avcodec_alloc_context3(codec);
	if (!codec || !context) {
		return codec ? -ENOMEM : -ENOSYS;
	}
	context->width = (int)frame->width;
	context->height = (int)frame->height;
	context->pix_fmt = AV_PIX_FMT_RGB24;
	context->time_base = (AVRational){1, 1};
	int r = avcodec_open2(context, codec, NULL);
	if (r < 0) {
		return r;
	}
	*ret = TAKE_PTR(context);
	return 0;
}

int png_encode(const struct frame *frame, uint8_t **ret, size_t *ret_size) {
	CLEANUP(cleanup_context) AVCodecContext *context = NULL;
	CLEANUP(cleanup_frame) AVFrame *picture = av_frame_alloc();
	CLEANUP(cleanup_packet) AVPacket *packet = av_packet_alloc();
	if (!picture || !packet) {
		return -ENOMEM;
	}
	picture->width = (int)frame->width;
	picture->height = (int)frame->height;
	picture->format = AV_PIX_FMT_RGB24;
	int r = av_frame_get_buffer(picture, 0);
	if (r >= 0) {
		r = read_pixels(frame, picture);
	}
	if (r >= 0) {
		r = open_encoder(frame, &context);
	}
	if (r >= 0) {
		r = avcodec_send_frame(context, picture);
	}
	if (r >= 0) {
		r = avcodec_receive_packet(context, packet);
	}
	if (r < 0) {
		return r;
	}
	uint8_t *copy = malloc((size_t)packet->size);
	if (!copy) {
		return -ENOMEM;
	}
	memcpy(copy, packet->data, (size_t)packet->size);
	*ret = copy;
	*ret_size = (size_t)packet->size;
	return 0;
}
