#include "place.h"

#include <ctype.h>
#include <errno.h>
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

bool place_is_any(const char *id) {
	return strncmp(id, PLACE_ANY, strlen(PLACE_ANY)) == 0;
}

static FILE *open_card(const struct place *place, const char *mode) {
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%.*s/" CARD_FILE, (int)(sizeof(path) - NAME_MAX),
		place->folder);
	return fopen(path, mode);
}

/* "226:0" */
static int read_devnum(struct place *place, FILE *f) {
	unsigned major_number, minor_number;
	if (fscanf(f, "%u:%u", &major_number, &minor_number) != 2) {
		return -EBADMSG;
	}
	place->devnum = makedev(major_number, minor_number);
	return 0;
}

int place_read(struct place *place, const char *id) {
	char path[128];
	AUTO_FCLOSE FILE *f = open_card(place, "re");
	if (f && fgets(place->card, sizeof(place->card), f)) {
		place->card[strcspn(place->card, "\n")] = '\0';
		return read_devnum(place, f);
	}
	/* Without it the kernel knows; the node itself need not be visible here. */
	const char *name = place_is_any(id) ? id + strlen(PLACE_ANY) : id;
	int length = (int)strcspn(name, "-");
	snprintf(place->card, sizeof(place->card), "/dev/dri/%.*s", length, name);
	snprintf(path, sizeof(path), "/sys/class/drm/%.*s/dev", length, name);
	AUTO_FCLOSE FILE *dev = fopen(path, "re");
	return dev ? read_devnum(place, dev) : -errno;
}

static int write_card(const struct place *place) {
	AUTO_FCLOSE FILE *f = open_card(place, "we");
	return f &&
			       fprintf(f, "%s\n%u:%u\n", place->card, major(place->devnum),
				       minor(place->devnum)) > 0 &&
			       fflush(f) == 0
		       ? 0
		       : -errno;
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
