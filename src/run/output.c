#include "run/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/cleanup.h"
#include "lib/lease_modes.h"

#define EDID_BLOCK 128
#define DESCRIPTOR_NAME 0xfc
#define DESCRIPTOR_SERIAL 0xff

const char *output_name(const char *scanout_id) {
	const char *dash = strchr(scanout_id, '-');
	return dash ? dash + 1 : scanout_id;
}

/* Mutter tells modes of the same size apart by this number, to three digits. */
static double refresh_of(const struct drm_mode_modeinfo *mode) {
	double total = (double)mode->htotal * mode->vtotal * (mode->vscan > 1 ? mode->vscan : 1);
	return total > 0 ? mode->clock * 1000.0 / total : 0;
}

static void list_sizes(
	const struct drm_mode_modeinfo *modes, uint32_t count, char *list, size_t size) {
	size_t used = 0;
	list[0] = '\0';
	for (uint32_t i = 0; i < count && used < size; i++) {
		if (i > 0 && modes[i].hdisplay == modes[i - 1].hdisplay &&
			modes[i].vdisplay == modes[i - 1].vdisplay) {
			continue;
		}
		used += snprintf(list + used, size - used, "%s%ux%u", used ? ", " : "",
			modes[i].hdisplay, modes[i].vdisplay);
	}
}

int output_find_mode(int lease_fd, unsigned connector, unsigned width, unsigned height,
	double *ret_refresh, char *list, size_t list_size) {
	AUTO_FREE struct drm_mode_modeinfo *modes = NULL;
	uint32_t count;
	double best = 0;

	int r = lease_modes_read(lease_fd, connector, &modes, &count);
	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < count; i++) {
		double refresh = refresh_of(&modes[i]);
		if (modes[i].hdisplay == width && modes[i].vdisplay == height && refresh > best &&
			!(modes[i].flags & DRM_MODE_FLAG_INTERLACE)) {
			best = refresh;
		}
	}
	if (best == 0) {
		list_sizes(modes, count, list, list_size);
		return -ENOENT;
	}
	*ret_refresh = best;
	return 0;
}

int output_read_limits(int lease_fd, struct output_limits *ret) {
	struct drm_mode_card_res card = {0};
	if (ioctl(lease_fd, DRM_IOCTL_MODE_GETRESOURCES, &card) < 0) {
		return -errno;
	}
	*ret = (struct output_limits){
		card.min_width, card.min_height, card.max_width, card.max_height};
	return 0;
}

/* A descriptor's text ends with a line feed, or with its room. */
static void read_text(const unsigned char *descriptor, char *text, size_t size) {
	size_t i = 0;
	while (i < 13 && i + 1 < size && descriptor[5 + i] != '\n') {
		unsigned char c = descriptor[5 + i];
		text[i++] = c == '\0' ? ' ' : c;
	}
	text[i] = '\0';
}

int output_parse_edid(const unsigned char *edid, size_t size, struct output_identity *ret) {
	static const unsigned char magic[8] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
	if (size < EDID_BLOCK || memcmp(edid, magic, sizeof(magic)) != 0) {
		return -EBADMSG;
	}

	unsigned code = edid[8] << 8 | edid[9];
	for (int i = 0; i < 3; i++) {
		ret->vendor[i] = 'A' - 1 + (code >> (10 - 5 * i) & 0x1f);
	}
	ret->vendor[3] = '\0';
	ret->product[0] = '\0';
	ret->serial[0] = '\0';
	for (const unsigned char *d = edid + 54; d < edid + 54 + 4 * 18; d += 18) {
		if (d[0] || d[1] || d[2]) {
			continue; /* a timing, not a text */
		}
		if (d[3] == DESCRIPTOR_NAME) {
			read_text(d, ret->product, sizeof(ret->product));
		} else if (d[3] == DESCRIPTOR_SERIAL) {
			read_text(d, ret->serial, sizeof(ret->serial));
		}
	}
	if (ret->product[0] == '\0') {
		snprintf(ret->product, sizeof(ret->product), "0x%04x", edid[11] << 8 | edid[10]);
	}
	if (ret->serial[0] == '\0') {
		snprintf(ret->serial, sizeof(ret->serial), "0x%08x",
			(unsigned)edid[15] << 24 | edid[14] << 16 | edid[13] << 8 | edid[12]);
	}
	return 0;
}

void output_identify(const char *scanout_id, struct output_identity *ret) {
	char path[128];
	unsigned char edid[EDID_BLOCK];

	snprintf(path, sizeof(path), "/sys/class/drm/%s/edid", scanout_id);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, edid, sizeof(edid));
	if (size < 0 || output_parse_edid(edid, size, ret) < 0) {
		*ret = (struct output_identity){"unknown", "unknown", "unknown"};
	}
}
