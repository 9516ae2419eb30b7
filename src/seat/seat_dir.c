#include "seat/seat_dir.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/cleanup.h"
#include "common/number.h"
#include "seat/login_files.h"

#define CARD_FILE "card"

/* As scanoutd makes them: "card0-Virtual-3". Also what may be part of a path and a unit's name. */
static bool id_is_valid(const char *id) {
	for (const char *c = id; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c)) {
			return false;
		}
	}
	return isalpha((unsigned char)id[0]) &&
	       strlen(id) < sizeof(((struct seat_dir *)0)->session);
}

int seat_dir_init(struct seat_dir *dir, const char *root, const char *id) {
	size_t length = 0;
	*dir = (struct seat_dir){0};
	if (!id_is_valid(id)) {
		return -EINVAL;
	}
	if ((size_t)snprintf(dir->folder, sizeof(dir->folder), "%s/%s", root, id) >=
		sizeof(dir->folder) - NAME_MAX) {
		return -ENAMETOOLONG;
	}
	for (const char *c = id; *c; c++) {
		if (isalnum((unsigned char)*c)) {
			dir->session[length++] = *c;
		}
	}
	return 0;
}

bool seat_dir_is_any(const char *id) {
	return strncmp(id, SEAT_DIR_ANY, strlen(SEAT_DIR_ANY)) == 0;
}

static FILE *open_card(const struct seat_dir *dir, const char *mode) {
	char path[PATH_MAX];
	snprintf(
		path, sizeof(path), "%.*s/" CARD_FILE, (int)(sizeof(path) - NAME_MAX), dir->folder);
	return fopen(path, mode);
}

/* "226:0" */
static int read_devnum(struct seat_dir *dir, FILE *f) {
	char line[32];
	const char *rest = fgets(line, sizeof(line), f);
	unsigned major_number, minor_number;
	if (!rest || !number_take(&rest, UINT_MAX, &major_number) || *rest++ != ':' ||
		!number_take(&rest, UINT_MAX, &minor_number)) {
		return -EBADMSG;
	}
	dir->devnum = makedev(major_number, minor_number);
	return 0;
}

int seat_dir_read(struct seat_dir *dir, const char *id) {
	char path[128];
	AUTO_FCLOSE FILE *f = open_card(dir, "re");
	if (f && fgets(dir->card, sizeof(dir->card), f)) {
		dir->card[strcspn(dir->card, "\n")] = '\0';
		return read_devnum(dir, f);
	}
	/* Without it the kernel knows; the node itself need not be visible here. */
	const char *name = seat_dir_is_any(id) ? id + strlen(SEAT_DIR_ANY) : id;
	int length = (int)strcspn(name, "-");
	snprintf(dir->card, sizeof(dir->card), "/dev/dri/%.*s", length, name);
	snprintf(path, sizeof(path), "/sys/class/drm/%.*s/dev", length, name);
	AUTO_FCLOSE FILE *dev = fopen(path, "re");
	return dev ? read_devnum(dir, dev) : -errno;
}

static int write_card(const struct seat_dir *dir) {
	AUTO_FCLOSE FILE *f = open_card(dir, "we");
	return f &&
			       fprintf(f, "%s\n%u:%u\n", dir->card, major(dir->devnum),
				       minor(dir->devnum)) > 0 &&
			       fflush(f) == 0
		       ? 0
		       : -errno;
}

/* Only the container knows the session's user. The user nobody exists everywhere. */
int seat_dir_write(const struct seat_dir *dir, char *problem, size_t size) {
	struct login_files files = {0};
	struct login_files_options options = {
		.run = dir->folder,
		.session = dir->session,
		.seat = SEAT_DIR_SEAT,
		.user = "nobody",
		.uid = 65534,
		.devnum = dir->devnum,
	};
	mode_t mask = umask(022);
	int r = login_files_write(&files, &options, LOGIN_FILES_SESSION | LOGIN_FILES_UDEV);
	if (r >= 0) {
		r = write_card(dir);
	}
	umask(mask);
	if (r < 0) {
		snprintf(problem, size, "%s cannot be written to (%s)", dir->folder, strerror(-r));
	}
	while (files.n_created > 0) {
		free(files.created[--files.n_created]); /* they stay */
	}
	return r;
}
