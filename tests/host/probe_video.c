/*
 * What players would show of a video: "probe-video FILE" prints a line for each frame: when, in µs,
 * whether it is a key frame, its size, and red, green and blue of the pixel in its middle.
 */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libyuv.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int r, const char *what) {
	if (r < 0) {
		fprintf(stderr, "probe-video: %s: %s\n", what, av_err2str(r));
		exit(1);
	}
}

static int is_key(const AVFrame *frame) {
#ifdef AV_FRAME_FLAG_KEY // from FFmpeg 6.1 on
	return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
	return frame->key_frame;
#endif
}

static void print_frame(const AVFrame *frame, AVRational time_base) {
	int x = frame->width / 4 * 2, y = frame->height / 4 * 2;
	uint8_t pixel[4 * 2 * 2];
	I420ToARGB(frame->data[0] + y * frame->linesize[0] + x, frame->linesize[0],
		frame->data[1] + y / 2 * frame->linesize[1] + x / 2, frame->linesize[1],
		frame->data[2] + y / 2 * frame->linesize[2] + x / 2, frame->linesize[2], pixel, 8,
		2, 2);
	int64_t usec = frame->pts == AV_NOPTS_VALUE
			       ? -1
			       : av_rescale_q(frame->pts, time_base, (AVRational){1, 1000000});
	printf("%lld %d %d %d %d %d %d\n", (long long)usec, is_key(frame), frame->width,
		frame->height, pixel[2], pixel[1], pixel[0]);
}

static void decode(AVCodecContext *context, const AVPacket *packet, AVRational time_base) {
	AVFrame *frame = av_frame_alloc();
	check(avcodec_send_packet(context, packet), "decoding");
	while (avcodec_receive_frame(context, frame) == 0) {
		print_frame(frame, time_base);
	}
	av_frame_free(&frame);
}

int main(int argc, char *argv[]) {
	AVFormatContext *format = NULL;
	check(argc == 2 ? 0 : AVERROR(EINVAL), "usage");
	check(avformat_open_input(&format, argv[1], NULL, NULL), "opening");
	check(avformat_find_stream_info(format, NULL), "reading the header");
	const AVStream *stream = format->streams[0];
	const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
	AVCodecContext *context = avcodec_alloc_context3(codec);
	AVPacket *packet = av_packet_alloc();
	check(avcodec_parameters_to_context(context, stream->codecpar), "reading the header");
	context->err_recognition = AV_EF_EXPLODE;
	check(avcodec_open2(context, codec, NULL), "starting the decoder");
	int r;
	while ((r = av_read_frame(format, packet)) == 0) {
		decode(context, packet, stream->time_base);
		av_packet_unref(packet);
	}
	check(r == AVERROR_EOF ? 0 : r, "reading");
	decode(context, NULL, stream->time_base);
	av_packet_free(&packet);
	avcodec_free_context(&context);
	avformat_close_input(&format);
	return 0;
}
