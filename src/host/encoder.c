#include "host/encoder.h"

#include <errno.h>
#include <libavutil/opt.h>
#include <stdlib.h>

#define PRESET "superfast"
#define CRF_MOVING 24.0
#define CRF_FINE 16.0

struct encoder {
	AVCodecContext *context;
	AVFrame *frame;
	AVPacket *packet;
};

static int configure(AVCodecContext *context, const struct encoder_options *options) {
	context->width = (int)options->width;
	context->height = (int)options->height;
	context->pix_fmt = AV_PIX_FMT_YUV420P;
	context->time_base = (AVRational){1, 1000000};
	context->framerate = (AVRational){(int)options->fps, 1};
	/* What libyuv makes of RGB. */
	context->color_range = AVCOL_RANGE_MPEG;
	context->colorspace = AVCOL_SPC_SMPTE170M;
	context->color_primaries = AVCOL_PRI_BT709;
	context->color_trc = AVCOL_TRC_IEC61966_2_1;
	context->thread_count = 1; // a slice a picture, and a thread a scanout
	context->gop_size = -1;    // key frames when asked for
	context->max_b_frames = 0;
	if (options->has_header) {
		context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	}
	int r = av_opt_set(context->priv_data, "preset", PRESET, 0);
	if (r >= 0) {
		r = av_opt_set(context->priv_data, "tune", "zerolatency", 0);
	}
	if (r >= 0) {
		r = av_opt_set_double(context->priv_data, "crf", CRF_MOVING, 0);
	}
	if (r >= 0) {
		r = av_opt_set_int(context->priv_data, "forced-idr", 1, 0);
	}
	return r < 0 ? r
		     : av_opt_set(
			       context->priv_data, "x264-params", "keyint=infinite:scenecut=0", 0);
}

int encoder_create(struct encoder **ret, const struct encoder_options *options) {
	const AVCodec *codec = avcodec_find_encoder_by_name(ENCODER_NAME);
	struct encoder *encoder = calloc(1, sizeof(*encoder));
	if (!codec || !encoder) {
		free(encoder);
		return codec ? -ENOMEM : -ENOSYS;
	}
	encoder->context = avcodec_alloc_context3(codec);
	encoder->frame = av_frame_alloc();
	encoder->packet = av_packet_alloc();
	int r = encoder->context && encoder->frame && encoder->packet ? 0 : -ENOMEM;
	if (r >= 0) {
		r = configure(encoder->context, options);
	}
	if (r >= 0) {
		r = avcodec_open2(encoder->context, codec, NULL);
	}
	if (r < 0) {
		encoder_destroy(encoder);
		return r;
	}
	*ret = encoder;
	return 0;
}

void encoder_destroy(struct encoder *encoder) {
	if (encoder) {
		av_packet_free(&encoder->packet);
		av_frame_free(&encoder->frame);
		avcodec_free_context(&encoder->context);
		free(encoder);
	}
}

const AVCodecContext *encoder_context(const struct encoder *encoder) {
	return encoder->context;
}

static void keep(void *opaque, uint8_t *data) {
}

/* The frame borrows the picture: with a buffer that frees nothing libavcodec does not copy it. */
static int borrow(AVFrame *frame, const struct picture *picture) {
	av_frame_unref(frame);
	frame->buf[0] = av_buffer_create(
		picture->memory, picture->size, keep, NULL, AV_BUFFER_FLAG_READONLY);
	if (!frame->buf[0]) {
		return -ENOMEM;
	}
	for (int i = 0; i < 3; i++) {
		frame->data[i] = picture->planes[i];
		frame->linesize[i] = picture->strides[i];
	}
	frame->format = AV_PIX_FMT_YUV420P;
	return 0;
}

int encoder_encode(struct encoder *encoder, const struct picture *picture, int64_t usec,
	unsigned flags, AVPacket **ret_packet) {
	AVCodecContext *context = encoder->context;
	int r = borrow(encoder->frame, picture);
	if (r < 0) {
		return r;
	}
	encoder->frame->width = context->width;
	encoder->frame->height = context->height;
	encoder->frame->pts = usec;
	encoder->frame->pict_type = flags & ENCODER_KEY ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	r = av_opt_set_double(
		context->priv_data, "crf", flags & ENCODER_FINE ? CRF_FINE : CRF_MOVING, 0);
	if (r >= 0) {
		r = avcodec_send_frame(context, encoder->frame);
	}
	av_frame_unref(encoder->frame);
	if (r >= 0) {
		r = avcodec_receive_packet(context, encoder->packet);
	}
	if (r >= 0) {
		*ret_packet = encoder->packet;
	}
	return r;
}
