#include "place.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "files.h"

#define CARD_FILE "card"

/* As scanoutd makes them: "card0-Virtual-3". Also what may be part of a path and a unit's name. */
static bool id_is_valid(const char *id) {
	for (const char *c = id; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c)) {
			return false;
		}
	}
	return isalpha((unsigned char)id[0]) && strlen(id) < sizeof(((struct place *)0)->session);
}

int place_init(struct place *place, const char *root, const char *id) {
	size_t length = 0;
	*place = (struct place){0};
	if (!id_is_valid(id)) {
		return -EINVAL;
	}
	if ((size_t)snprintf(place->folder, sizeof(place->folder), "%s/%s", root, id) >=
		sizeof(place->folder) - NAME_MAX) {
		return -ENAMETOOLONG;
	}
	for (const char *c = id; *c; c++) {
		if (isalnum((unsigned char)*c)) {
			place->session[length++] = *c;
		}
	}
	return 0;
}

/* "226:0" of the kernel; the node itself need not be visible here. */
static int read_devnum(struct place *place) {
	char path[128];
	unsigned major_number, minor_number;
	const char *name = strrchr(place->card, '/');
	snprintf(path, sizeof(path), "/sys/class/drm/%s/dev", name ? name + 1 : "");
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	if (!f) {
		return -errno;
	}
	if (fscanf(f, "%u:%u", &major_number, &minor_number) != 2) {
		return -EBADMSG;
	}
	place->devnum = makedev(major_number, minor_number);
	return 0;
}

int place_read(struct place *place, const char *id) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*s/" CARD_FILE, (int)(sizeof(path) - NAME_MAX),
		place->folder);
	AUTO_FCLOSE FILE *f = fopen(path, "re");
	if (f && fgets(place->card, sizeof(place->card), f)) {
		place->card[strcspn(place->card, "\n")] = '\0';
	} else {
		bool any = strcmp(id, PLACE_ANY) == 0;
		snprintf(place->card, sizeof(place->card), "/dev/dri/%.*s",
			any ? 5 : (int)strcspn(id, "-"), any ? "card0" : id);
	}
	return read_devnum(place);
}

static int write_card(const struct place *place) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*s/" CARD_FILE, (int)(sizeof(path) - NAME_MAX),
		place->folder);
	AUTO_FCLOSE FILE *f = fopen(path, "we");
	return f && fprintf(f, "%s\n", place->card) > 0 && fflush(f) == 0 ? 0 : -errno;
}

/* Who the session's user is, the container alone knows. Nobody is a name that all have. */
int place_write(const struct place *place, char *problem, size_t size) {
	struct files files = {0};
	struct files_options options = {
		.run = place->folder,
		.session = place->session,
		.seat = PLACE_SEAT,
		.user = "nobody",
		.uid = 65534,
		.devnum = place->devnum,
	};
	mode_t mask = umask(022);
	int r = files_write(&files, &options, FILES_SESSION | FILES_UDEV);
	if (r >= 0) {
		r = write_card(place);
	}
	umask(mask);
	if (r < 0) {
		snprintf(
			problem, size, "%s cannot be written to (%s)", place->folder, strerror(-r));
	}
	while (files.n_created > 0) {
		free(files.created[--files.n_created]); /* they stay */
	}
	return r;
}
