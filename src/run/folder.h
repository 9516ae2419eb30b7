/* A private folder for sockets and configuration, gone when scanout-run is. */
#ifndef SCANOUT_RUN_FOLDER_H
#define SCANOUT_RUN_FOLDER_H

struct folder {
	char *path; // NULL: none
};

/* Makes one below $XDG_RUNTIME_DIR if that can be, else below /tmp. */
int folder_create(struct folder *folder);
/* Removes it with all that is in it. */
void folder_remove(struct folder *folder);

/* A path below the folder, for the caller to free; NULL if there is no memory. */
char *folder_join(const struct folder *folder, const char *name);
/* Makes a folder in it and returns its path like folder_join(). */
char *folder_make(const struct folder *folder, const char *name);
/* Writes a file in it. */
int folder_write(const struct folder *folder, const char *name, const char *text);

#endif
